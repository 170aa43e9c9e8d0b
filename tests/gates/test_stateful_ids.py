"""What holds data, or is held on to by nodes, keeps its logical id."""

from pathlib import Path

from golden.generate import templates
from golden.stateful import extended, frozen, stateful
from tests.repository import ENVIRONMENTS


def test_logical_ids_of_stateful_resources_are_frozen(assembly: Path):
    """A renamed construct is a new resource: the file system with its data would be replaced.

    `make golden` freezes the ids of new environments. Others are changed by hand in
    `golden/stateful_logical_ids.json`, with a "Replaces resources" entry in the changelog.
    """
    assert stateful(templates(assembly, ENVIRONMENTS)) == frozen()


def test_only_ids_of_new_environments_are_frozen_by_themselves():
    """Otherwise `make golden` would hide that a file system is replaced."""
    before = {"dev/Storage.template.json": {"Lustre": "AWS::FSx::FileSystem"}, "old/A": {"B": "C"}}
    found = {
        "dev/Storage.template.json": {"Renamed": "AWS::FSx::FileSystem"},
        "dev/Network.template.json": {"Vpc": "AWS::EC2::VPC"},
        "qa/Network.template.json": {"Vpc": "AWS::EC2::VPC"},
    }

    assert extended(before, found) == {
        "dev/Storage.template.json": {"Lustre": "AWS::FSx::FileSystem"},
        "qa/Network.template.json": {"Vpc": "AWS::EC2::VPC"},
    }
