"""Where the pages of an operator are typed: an emulated AWS, a real Slurm, a node, a clone."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from tests.docs.login_node import NODES, Node, PagesSlurm
from tests.docs.pages import ROOT
from tests.docs.templates import Templates
from tests.docs.terminal import Reader
from tests.docs.warm import program
from tests.rehearse.conftest import Deployed, Deployer
from tests.repository import ENVIRONMENTS
from tests.training.slurm.cluster import SYSTEM_PATH
from ultracluster.aws import Account
from ultracluster.emulator.process import Emulator
from ultracluster.rehearse.direct import publish
from ultracluster.run_command import login_node
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import load

BY_NAME: Final = {spec.name: spec for spec in ENVIRONMENTS}
OF_NODES: Final = "fsx|home|scratch|(opt|var/lib)/ultracluster|sys/class/infiniband"
PATHS: Final = re.compile(rf"(?<![\w}}/.])/(?=({OF_NODES})\b)")
"""What lies on nodes."""
DAY: Final = re.compile(r"\b20\d\d-\d\d-\d\d")
WRITTEN: Final = date(2026, 11, 27)
"""The day from which pages count."""
CLONE: Final = ("environments", "recipes", "examples", "golden", "app.py", "Makefile")
CDK: Final = f"""#!/bin/bash
[[ $1 != cdk ]] || shift
# A person answers yes.
[[ $1 != destroy ]] || set -- "$@" --force
exec node {ROOT}/node_modules/aws-cdk/bin/cdk "$@"
"""
"""npx runs the CLI of the project; whoever types `cdk` has it on the path."""
SUDO: Final = """#!/bin/bash
# Whoever runs the tests is the user that it is: nobody becomes another one.
[[ $1 != -iu ]] || shift 2
exec "$@"
"""
CURL: Final = """#!/bin/bash
exec /usr/bin/curl "${{@/127.0.0.1:9850/127.0.0.1:{port}}}"
"""
RUNUSER: Final = """#!/bin/bash
exec bash -c "$4"
"""
LOGIN_NODE: Final = """#!/bin/bash
export PATH={path} SLURM_CONF={conf}
script=$(cat)
if [[ $script =~ echo\\ ([A-Za-z0-9+/=]+)\\ \\| ]]; then
  text=$(base64 --decode <<<"${{BASH_REMATCH[1]}}")
  moved=$(sed -E 's#([^A-Za-z0-9.}}/])/fsx#\\1{root}/fsx#g' <<<"$text")
  script=${{script/"${{BASH_REMATCH[1]}}"/$(base64 --wrap=0 <<<"$moved")}}
fi
exec /bin/sh -c "$script"
"""
"""What Run Command sends to a login node, with the node's paths below its folder."""


@dataclass
class Bench:
    """The stand-ins; they last as long as what started them."""

    folder: Path
    emulator: Emulator
    templates: Templates
    slurm: PagesSlurm
    node: Node
    accounts: int = 5000
    values: dict[str, str] = field(default_factory=dict)
    """What a page's words in capitals stand for."""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        """Where the programs lie that come before those of the system."""
        return self.folder / "bin"

    def program(self, name: str, text: str) -> None:
        """Put a program before those of the system."""
        program(self.bin, name, text)

    def install(self) -> None:
        """Make the programs that pages type, but for our own commands."""
        for name in ("npx", "cdk"):
            self.program(name, CDK)
        self.program("sudo", SUDO)
        self.program("curl", CURL.format(port=self.node.port))
        self.program("runuser", RUNUSER)
        self.templates.install(self.bin)
        for name in ("nvidia-smi", "dcgmi", "timedatectl"):
            (self.bin / name).symlink_to(self.node.machine.folder / "bin" / name)

    def answer_run_command(self, file: Path) -> None:
        """Write the program that runs what Run Command sends."""
        file.write_text(
            LOGIN_NODE.format(path=self.path, root=self.node.root, conf=self.slurm.conf)
        )
        file.chmod(0o755)

    @property
    def path(self) -> str:
        """Where programs are looked for."""
        return os.pathsep.join((str(self.bin), str(Path(sys.executable).parent), SYSTEM_PATH))

    def account(self) -> Account:
        """Return a bootstrapped account that no page has used, and use it from now on."""
        self.accounts += 1
        name = f"{self.accounts:012d}"
        self.values["ACCOUNT"] = name
        own = dict.fromkeys(("AWS_ACCESS_KEY_ID", "CDK_DEFAULT_ACCOUNT"), name)
        self.settings = self.emulator.environment() | own
        return Account("us-east-1", self.settings)

    def empty(self) -> None:
        """Use an account in which nothing is but what `cdk bootstrap` makes."""
        publish(self.account(), "us-east-1", self.templates.of(BY_NAME["dev"]) / "assembly-dev")

    def deployed(self, spec: EnvironmentSpec) -> Deployed:
        """Use an account in which an environment is, with a login node that runs."""
        assembly = self.templates.of(spec)
        deployed = Deployer(self.emulator, assembly, self.accounts).deploy(spec)
        self.account()
        for row in deployed.cloud.ask("pcs", "list_clusters")["clusters"]:
            self.values |= dict.fromkeys(("CLUSTER", "pcs_..."), row["id"])
        if login := login_node(deployed.cloud, spec.name):
            self.values["INSTANCE"] = login
        return deployed

    def loaded(self, file: Path) -> EnvironmentSpec:
        """Return the environment of a file of a clone."""
        (spec,) = load(file, EnvironmentSpec, project=file.parent)
        return spec

    def clone(self, folder: Path) -> Path:
        """Make what a reader's clone of the repository has."""
        for name in CLONE:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        (folder / "training").symlink_to(ROOT / "training")
        settings = json.loads((ROOT / "cdk.json").read_text())
        # A person answers yes.
        settings |= {"app": str(self.bin / "synthesis"), "requireApproval": "never"}
        (folder / "cdk.json").write_text(json.dumps(settings))
        git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(folder))
        for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message=clone")):
            subprocess.run([*git, *words], check=True)
        return folder

    def leave(self) -> None:
        """Make the cluster and the node what they were before a page."""
        ask = self.slurm.ask
        for job in ask("squeue", "--noheader", "--format=%A").split():
            ask("scancel", job)
        for name in re.findall(r"ReservationName=(\S+)", ask("scontrol", "show", "reservation")):
            ask("scontrol", "delete", f"ReservationName={name}")
        ask("scontrol", "update", "PartitionName=train", "State=UP")
        for node in NODES:
            if self.slurm.states()[node].startswith(("drain", "drng")):
                ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self.node.mend()

    def reader(self, folder: Path) -> Reader:
        """Return who types in a clone, as whoever has the account and works on the cluster."""
        slurm = {"SLURM_CONF": str(self.slurm.conf), "SLURMD_NODENAME": self.node.name}
        own = {"PATH": self.path, "PYTHONPATH": f"{folder}:{ROOT}"}
        return Reader(folder, self.settings | slurm | own)

    def filled(self, line: str) -> str:
        """Return a line with what its placeholders stand for, and a node's paths where they lie."""
        for name, value in self.values.items():
            there = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
            line = re.sub(there, value.replace("\\", r"\\"), line)
        # A page names days soon after it was written, and those go by.
        later = date.today() - WRITTEN  # noqa: DTZ011  (a day more or less is no matter)
        line = DAY.sub(lambda day: str(date.fromisoformat(day[0]) + later), line)
        return PATHS.sub(f"{self.node.root}/", line)
