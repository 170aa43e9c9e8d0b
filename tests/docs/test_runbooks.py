"""Every command of the pages that `test_commands` does not follow is typed, and does what it says.

The lines are read from the page and typed in its order, into a shell whose AWS is emulated and
whose Slurm is real. What no test can type stands in `not_run.py`, with the reason.
"""

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.docs.bench import Bench
from tests.docs.login_node import Node, PagesSlurm
from tests.docs.not_run import NOT_RUN
from tests.docs.pages import PAGES, ROOT, Block, Page
from tests.docs.prepared import prepare
from tests.docs.templates import Templates
from tests.docs.terminal import Reader, same
from tests.docs.test_commands import COURSE, READ_HERE
from tests.docs.warm import warm
from ultracluster.aws import Account
from ultracluster.emulator.process import Emulator

LANGUAGES = {"sh", "text", "python", "yaml", "json", "promql", "mermaid"}
FOLLOWED = (*READ_HERE, COURSE, "docs/first-hour.md")
"""By `test_commands`, and by tests/accept/test_page.py, but for what a comment takes out there."""
EVERY = [Page(path) for path in PAGES]


def blocks(page: Page) -> list[Block]:
    """Return the blocks of a page that nobody else types."""
    followed = page.name in FOLLOWED
    return [block for block in page.blocks if block.commands and not (followed and block.runs)]


def lines(page: Page) -> list[str]:
    """Return the command lines of a page that nobody else types."""
    return [*page.first_commands, *(line for block in blocks(page) for line in block.commands)]


TYPED = [page for page in EVERY if lines(page)]
TELLS = (
    (r"^ultracluster preflight", (0, 1, 2)),
    (r"^ultracluster capacity", (0, 1)),
    (r"^ultracluster accept dev$", (0, 1, 2)),
    (r"^ultracluster audit", (0, 1)),
)
"""Commands that end with what they found, which an emulated account cannot make all well."""


def excused(line: str) -> bool:
    """Return whether a line stands in the table of those that are not typed."""
    words = line.partition(" #")[0]
    return any(re.search(pattern, words) for pattern in NOT_RUN)


def statuses(line: str, block: Block | None) -> tuple[int, ...]:
    """Return the exit statuses that are right."""
    words = line.partition(" #")[0].strip()
    found = next((those for pattern, those in TELLS if re.search(pattern, words)), (0,))
    return (int(block.comments["exit"]),) if block and "exit" in block.comments else found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """All that the pages reach."""
    names = ("bench", "templates", "slurm", "node")
    folder, templates, slurm, node = (tmp_path_factory.mktemp(name) for name in names)
    with (
        Templates(templates) as made,
        PagesSlurm(slurm, {}) as cluster,
        Emulator(nodes=folder / "login-node") as emulator,
        warm(folder / "bin"),
    ):
        machine = Node(node, cluster)
        machine.serve()
        bench = Bench(folder, emulator, made, cluster, machine)
        bench.install()
        bench.answer_run_command(folder / "login-node")
        yield bench


def typed(bench: Bench, reader: Reader, line: str, block: Block | None) -> str:
    """Type one line, and return what it prints."""
    printed, status = reader.type(bench.filled(line))
    told = f"exit code {status} of\n{bench.filled(line)}\n{printed}"
    assert status in statuses(line, block), told
    return printed


@pytest.mark.needs("slurm")
@pytest.mark.needs("slurmdbd")
@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page: Page, bench: Bench, tmp_path):
    prepare(page.name, bench, tmp_path)

    with bench.reader(tmp_path) as reader:
        for line in page.first_commands:
            if not excused(line):
                typed(bench, reader, line, None)
        for block in blocks(page):
            left = [line for line in block.commands if not excused(line)]
            printed = "".join(typed(bench, reader, line, block) for line in left)
            output = page.output(block)
            if output and left == block.commands:
                assert same(output.text, printed), printed
    bench.leave()


INSTALLS = ["make setup", 'echo "$PWD/.venv/bin" >> "$GITHUB_PATH"']
"""The lines of the workflow that make the machine of a job ready."""
GH = """#!/bin/bash
while [[ $1 != --body-file ]]; do shift; done
cp "$2" comment.md
"""
"""Whoever comments on a pull request of a repository that is not there."""


def retention(bench: Bench) -> set[int]:
    """Return how many days flow logs are kept."""
    groups = Account("us-east-1", bench.settings).ask("logs", "describe_log_groups")["logGroups"]
    return {row["retentionInDays"] for row in groups if "FlowLog" in row["logGroupName"]}


@pytest.mark.needs("slurm")
@pytest.mark.needs("slurmdbd")
def test_the_workflow_of_a_delivery_works(bench: Bench, tmp_path):
    """Job by job, as somebody copies it: reviewed, prepared, executed, proved, no drift."""
    prepare("examples/delivery", bench, tmp_path)
    file = tmp_path / "environments/staging.py"
    shorter = "network=NetworkSpec(flow_log_retention_days=60,"
    file.write_text(file.read_text().replace("network=NetworkSpec(", shorter))
    bench.program("gh", GH)
    workflow = yaml.safe_load((ROOT / "examples/delivery/workflow.yml").read_text())
    days = []

    with bench.reader(tmp_path) as reader:
        reader.type("export GITHUB_STEP_SUMMARY=summary.md GITHUB_OUTPUT=output NUMBER=1")
        for job in ("review", "prepare", "execute", "drift"):
            runs = [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]
            lines = [line for run in runs for line in run.splitlines()]
            assert lines[:2] == INSTALLS
            for line in lines[2:]:
                typed(bench, reader, line, None)
            reader.type("[[ ! -e output ]] || export PLAN=$(sed s/plan=// output)")
            days.append(retention(bench))
    assert days == [{90}, {90}, {60}, {60}]
    assert "60 days" in (tmp_path / "comment.md").read_text()
    assert "60 days" in (tmp_path / "delivery.md").read_text()
    assert (tmp_path / "summary.md").read_text().count("60 days") > 1


def test_each_reason_for_not_typing_is_needed():
    """A row that excuses no command any more goes."""
    every = [line.partition(" #")[0] for page in EVERY for line in lines(page)]

    assert [row for row in NOT_RUN if not any(re.search(row, line) for line in every)] == []


@pytest.mark.parametrize("page", EVERY, ids=lambda page: page.name)
def test_no_command_hides_in_another_kind_of_block(page: Page):
    assert {block.language for block in page.blocks} <= LANGUAGES
    shown = [block for block in page.blocks if block.language == "text"]
    assert [b.line for b in shown if re.search(r"^\$ ", b.text, re.MULTILINE)] == []
