"""The contract with MiniStack, whose internals are private and change."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from ultracluster.emulator.ministack import internals


def test_the_installed_version_is_the_one_that_was_read():
    """Every internal was read in this version; another one needs another reading."""
    assert version("ministack") == internals.VERSION


@pytest.mark.parametrize("name", internals.RELIED_ON, ids=lambda n: f"{n.module}.{n.attribute}")
def test_what_we_rely_on_is_there(name):
    """An upgrade that removes a name must say what stops working."""
    assert name not in set(internals.missing()), (
        f"MiniStack no longer has {name.module}.{name.attribute}, which carries {name.purpose}"
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


def test_every_internal_that_is_used_is_listed():
    """A name that is used and not listed would break an upgrade without a word."""
    folder = Path(internals.__file__).parent
    used = {
        (module, name)
        for path in folder.glob("*.py")
        for module, name in re.findall(r"internals\.(\w+)\.(_\w+)", path.read_text())
    }
    listed = {(each.module.rsplit(".", 1)[-1], each.attribute) for each in internals.RELIED_ON}

    assert used - listed == set()
