"""The contract with MiniStack, whose internals are private and change."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from ultracluster.emulator.ministack import internals


def test_the_installed_version_is_the_one_that_was_read():
    """Every internal was read in this version; another one needs another reading."""
    assert version("ministack") == internals.VERSION


FOLDER = Path(internals.__file__).parent
STORES = r'(?<!get\()"(_[a-z_]+)"'
"""Stores of EC2 that are named in a table and read by `getattr`."""
REPLACED = [(name, "_evaluate_conditions") for name in ("changesets", "handlers", "stacks")]
"""What `stacks` puts its own in the place of, module by module."""


def used_names() -> dict[tuple[str, str], list[str]]:
    """Return every name of MiniStack that we use, with the files that use it."""
    found = {name: ["stacks.py"] for name in REPLACED}
    for path in sorted(FOLDER.glob("*.py")):
        text = path.read_text()
        names = re.findall(r"internals\.(\w+)\.(\w+)", text)
        if "getattr(internals.ec2" in text:
            names += [("ec2", name) for name in re.findall(STORES, text)]
        for name in names:
            found.setdefault(name, []).append(path.name)
    return found


USED = used_names()


def test_the_names_are_found():
    """Direct ones, and those of a table; a reader that finds none would hold nothing."""
    assert ("cloudformation", "_stacks") in USED
    assert ("ec2", "_nat_gateways") in USED
    assert len(USED) > 40


@pytest.mark.parametrize("name", USED, ids=".".join)
def test_what_we_rely_on_is_there(name):
    """An upgrade that removes a name must say what stops working."""
    module, attribute = name
    assert hasattr(getattr(internals, module), attribute), (
        f"MiniStack no longer has {module}.{attribute}, which {', '.join(USED[name])} use"
    )


def test_nothing_else_imports_ministack():
    """One room for all contact with it, so that an upgrade has one place to look."""
    package = internals.__name__.rsplit(".", 2)[0]
    root = Path(internals.__file__).parents[1]
    outside = [
        path.name
        for path in root.glob("*.py")
        if "import ministack" in path.read_text() or "from ministack" in path.read_text()
    ]

    assert package == "ultracluster.emulator"
    assert outside == []
