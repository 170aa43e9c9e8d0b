"""The commands of the pages for whoever is woken, run on a real Slurm and a node of it."""

import re
import shlex
import subprocess
from pathlib import Path

import botocore.session
import pytest

from tests.repository import ROOT
from tests.training.slurm.cluster import Slurm, until
from tests.training.slurm.machine import Machine

PAGES = ("job-hangs", "node-died")
LEDGER = "/var/lib/ultracluster/repairs.jsonl"
SHARED = "/fsx/.ultracluster/repairs/INSTANCE.jsonl"


def commands(page: str) -> list[str]:
    """Return the commands of a page, without what it says of them."""
    text = (ROOT / "docs" / "operate" / f"{page}.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines()]
    assert lines
    return [line for line in lines if line]


ALL = [pytest.param(line, id=f"{page}: {line}") for page in PAGES for line in commands(page)]


@pytest.mark.parametrize("line", ALL)
def test_a_command_of_a_page_works(slurm: Slurm, machine: Machine, line: str, tmp_path: Path):
    (machine.folder / "n1" / "fsx").mkdir(exist_ok=True)
    (machine.folder / "n1" / "no-time").touch()
    check = [str(machine.prolog)]
    node = slurm.environment(SLURMD_NODENAME="n1")
    subprocess.run(check, env=node, check=True)
    (machine.folder / "n1" / "no-time").unlink()
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\nsleep 60\n")
    job = slurm.submit(script, options=("--nodes=1", "--requeue"), work=tmp_path)
    until("a job that runs", lambda: slurm.job(job)["JobState"] == "RUNNING")
    words = line.removeprefix("sudo ").replace("NODE", "n1").replace("JOB", str(job))
    words = words.replace("/opt/ultracluster/check.py", check[0])
    words = words.replace(LEDGER, str(machine.folder / "n1") + LEDGER)
    words = words.replace(SHARED, str(machine.folder / "n1") + SHARED.replace("INSTANCE", "i-n1"))
    try:
        if words.startswith("aws "):
            _, service, operation, option, _ = shlex.split(words)
            model = botocore.session.get_session().get_service_model(service)
            name = operation.title().replace("-", "")
            member = option.removeprefix("--").title().replace("-", "")
            assert member in model.operation_model(name).input_shape.members
        elif words.startswith("curl "):
            assert "127.0.0.1:9850/metrics" in words
        else:
            done = subprocess.run(
                ["/bin/bash", "-c", words], env=node, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stdout or "update" in words or "requeue" in words or "accept" in words
    finally:
        slurm.ask("scancel", str(job))
        machine.mend("n1")
