"""SAFETY rules about the volumes of nodes."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.rules.rule import Fault, nodes
from ultracluster.rules.safety_nodes import images
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved_values import UndeterminedError

ROOTS: Final = (
    (re.compile(r"(?i)ubuntu"), "/dev/sda1"),
    (re.compile(r"(?i)amazon-linux|al2023|amzn2|/al2\b"), "/dev/xvda"),
)
"""What a parameter of AWS's images tells of their root device."""
MOST_OTHERS: Final = 10
"""Nodes with another root device that are named beside one; each of them is told of it as well."""
ROOT_NAMES: Final = ("/dev/sda1", "/dev/xvda", "/dev/sda")


@nodes.warning(
    "SAFETY-8",
    what="A volume of a node is not encrypted.",
    why="Datasets, weights and credentials lie on it unencrypted.",
    source="EC2 User Guide, EBS encryption; Security Hub EC2.3; read 2026-11-23",
    fix="write Encrypted: true for every volume",
    check="aws ec2 describe-volumes --filters Name=encrypted,Values=false",
)
def encrypted_volumes(_model: Model, node: Node) -> Iterator[Fault]:
    # Where it is not written, the account's default decides.
    unsaid = False
    for mapping in read.items(node.launch, "BlockDeviceMappings"):
        volume = read.part(mapping, "Ebs")
        encrypted = read.flag(volume, "Encrypted")
        if encrypted is False:
            yield Fault(f"volume {read.text(mapping, 'DeviceName')} has Encrypted: false")
        elif volume is not None and encrypted is None and read.part(volume, "SnapshotId") is None:
            unsaid = True
    if unsaid:
        raise UndeterminedError("Encrypted is not written, the account's default decides it")


def _devices(node: Node) -> set[str]:
    """Return the names of its volumes that are names of a root device."""
    mappings = read.items(node.launch, "BlockDeviceMappings")
    found = {read.text(mapping, "DeviceName") for mapping in mappings if read.part(mapping, "Ebs")}
    return {name for name in found if name in ROOT_NAMES}


class _Root(NamedTuple):
    """What is written for the root of a node, and which of all nodes it is."""

    number: int
    node: Node
    device: str
    because: str | None


_Roots = dict[tuple[str, bool], dict[frozenset[str] | None, list[_Root]]]
"""Nodes by their image and by the names of root devices, None where these are not known."""


def _root_devices(model: Model) -> tuple[_Roots, str | None]:
    """Return them up to the first node whose image is not known, and why it is not."""
    found: _Roots = {}
    for number, node in enumerate(model.nodes):
        try:
            run = dict.fromkeys(images(node))
        except UndeterminedError as error:
            return found, error.because
        try:
            names, because = frozenset(_devices(node)), None
        except UndeterminedError as error:
            names, because = None, error.because
        root = _Root(number, node, min(names or (), default=""), because)
        for image in run:
            found.setdefault(image, {}).setdefault(names, []).append(root)
    return found, None


@nodes.warning(
    "SAFETY-24",
    what="The root volume that is written for nodes is not that of their image.",
    why="EC2 adds a second volume in its place: the root stays as small as the image has it, "
    "unencrypted where the account does not say otherwise, and fills up while a job runs.",
    source="EC2 User Guide, device names and block device mappings, read 2026-11-27",
    fix="write DeviceName /dev/sda1 for Ubuntu, /dev/xvda for Amazon Linux",
    check="aws ec2 describe-images --image-ids <image> --query 'Images[].RootDeviceName'",
)
def root_device_of_the_image(model: Model, node: Node) -> Iterator[Fault]:
    own, mine = _devices(node), images(node)
    if not own:
        return
    for image, _ in mine:
        wanted = {name for pattern, name in ROOTS if pattern.search(image)}
        if len(wanted) == 1 and own.isdisjoint(wanted):
            yield Fault(f"DeviceName {min(own)}, that of {image.split()[-1]} is {wanted.pop()}")
    by_image, because = model.cached(_root_devices)
    others: dict[int, _Root] = {}
    for each in mine:
        for theirs, roots in by_image.get(each, {}).items():
            if theirs is None or (theirs and own.isdisjoint(theirs)):
                others |= {root.number: root for root in roots[: MOST_OTHERS + 1]}
    first, rest = sorted(others.items())[:MOST_OTHERS], len(others) > MOST_OTHERS
    for number, (_, root) in enumerate(first, 1):
        if root.because is not None:
            raise UndeterminedError(root.because)
        more = "; so do more nodes" if rest and number == MOST_OTHERS else ""
        yield Fault(
            f"DeviceName {min(own)}, {described(root.node)} writes {root.device} for the same "
            f"image{more}"
        )
    if because is not None:
        raise UndeterminedError(because)
