"""Every command of every other page is typed, in the order of the page, and does what it says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.bench import Bench, assembled
from tests.docs.login_node import Node, PagesSlurm
from tests.docs.not_run import NOT_RUN
from tests.docs.pages import PAGES, ROOT, Page
from tests.docs.prepared import PREPARED, STATUSES, prepare
from tests.docs.terminal import same
from tests.docs.test_commands import COURSE, READ_HERE
from tests.rehearse.conftest import Deployer
from ultracluster.emulator.process import Emulator

TYPED = [page for page in map(Page, PAGES) if page.name not in (*READ_HERE, COURSE)]
WITH_COMMANDS = [page for page in TYPED if page.commands]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """All that the pages reach."""
    folder, assembly, slurm, node = (tmp_path_factory.mktemp(n) for n in "bench assembly slurm node".split())
    assembled(assembly)
    login = folder / "login-node"
    with (
        PagesSlurm(slurm, {}) as cluster,
        Node(node, cluster) as machine,
        Emulator(nodes=login) as emulator,
        subprocess.Popen(
            [sys.executable, "-m", "tests.docs.warm"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as warm,
    ):
        made = Bench(folder, emulator, Deployer(emulator, assembly, 5000), assembly, cluster, machine)
        assert warm.stdout is not None and warm.stdin is not None
        made.install(int(warm.stdout.readline()))
        made.login_node(login)
        yield made
        warm.stdin.close()


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page: Page, bench: Bench, tmp_path: Path):
    bench.clone(tmp_path)
    prepare(page.name, bench, tmp_path)
    wrong = []
    with bench.reader(tmp_path) as reader:
        for line in page.commands:
            if any(re.search(p, line) for p in NOT_RUN): continue
            printed, status = reader.type(bench.filled(line))
            if status not in (0,):
                wrong.append(f"--- {line}\n>>> {bench.filled(line)}\n[{status}] {printed[-600:]}")
    assert not wrong, "\n".join(wrong)
