"""Logical ids that must not change: whatever has another id is a new resource, without its data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FROZEN: Final = Path(__file__).with_name("stateful_logical_ids.json")

STATEFUL: Final = {
    "AWS::EC2::CapacityReservation",
    "AWS::EC2::PlacementGroup",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::FSx::DataRepositoryAssociation",
    "AWS::FSx::FileSystem",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::PCS::Cluster",
    "AWS::S3::Bucket",
}

Ids = dict[str, dict[str, str]]
"""Resource types by logical id, by template."""


def frozen() -> Ids:
    found: Ids = json.loads(FROZEN.read_text())
    return found


def stateful(templates: Mapping[str, bytes]) -> Ids:
    """Return the stateful resources of templates by golden path, `dev/Storage.template.json`."""
    found = {
        name: {
            logical_id: resource["Type"]
            for logical_id, resource in json.loads(text)["Resources"].items()
            if resource["Type"] in STATEFUL
        }
        for name, text in templates.items()
    }
    return {name: ids for name, ids in found.items() if ids}


def extended(before: Ids, found: Ids) -> Ids:
    """Return frozen ids with new environments, and without environments that are gone.

    What is frozen of an environment stays as it is: a person changes it, and writes down why.
    """
    known = {environment(name) for name in before}
    there = {environment(name) for name in found}
    kept = {name: ids for name, ids in before.items() if environment(name) in there}
    new = {name: ids for name, ids in found.items() if environment(name) not in known}
    return dict(sorted({**kept, **new}.items()))


def environment(name: str) -> str:
    return name.partition("/")[0]


def freeze(templates: Mapping[str, bytes]) -> None:
    """Freeze the logical ids of environments that are new."""
    ids = extended(frozen(), stateful(templates))
    FROZEN.write_text(json.dumps(ids, indent=1) + "\n")
