"""One group of templates that are deployed together, as pictures and as a security matrix."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ultracluster.catalogue.lustre import PORTS
from ultracluster.model.model import Model
from ultracluster.model.security_groups import SecurityGroups
from ultracluster.review.changes.change import Change, Danger
from ultracluster.review.drawing.boxes import Context
from ultracluster.review.drawing.picture import Figure, picture_blocks
from ultracluster.review.known import NotKnown, read
from ultracluster.review.naming import Names
from ultracluster.review.security.matrix import matrix
from ultracluster.review.topology.nodes import Nodes
from ultracluster.review.topology.storage import FileSystem
from ultracluster.review.topology.survey import survey
from ultracluster.templates.resolved import ResolvedGroup
from ultracluster.templates.resolved_values import Key

LUSTRE: Final = [port for first, last in PORTS for port in range(first, last + 1)]
NFS: Final = [2049]
"""Port of EFS and of FSx for OpenZFS and ONTAP (their user guides)."""


def changed(changes: Iterable[Change]) -> Mapping[Key, Danger]:
    """Return the worst that is done to each resource."""
    found: dict[Key, Danger] = {}
    for change in sorted(changes, key=lambda change: change.worst.rank):
        places = [(change.stack, change.resource), *((d.stack, d.resource) for d in change.covers)]
        for place in places:
            found.setdefault(place, change.worst)
    return found


def figure(group: ResolvedGroup, number: int, marks: Mapping[Key, Danger] | None = None) -> Figure:
    """Return the figure of templates that belong together."""
    variant = max(group.variants, key=lambda each: len(each.resources))
    called, model = Names(variant.resources), Model(variant)
    topology = survey([template.name for template in group.templates], group.variants)
    context = Context(
        topology.fabrics, lambda n, f: mount(model.groups, n, f), called.key, marks or {}
    )
    return Figure(topology, list(picture_blocks(topology, context)), matrix(model, called), number)


def mount(groups: SecurityGroups, nodes: Nodes, system: FileSystem) -> tuple[str, bool | None]:
    """Return what passes between nodes and a file system, and whether that is enough."""
    lustre = "Lustre" in system.kind
    said = "Lustre: TCP 988 and 1018–1023" if lustre else "NFS: TCP 2049"
    if isinstance(nodes.groups, NotKnown) or isinstance(system.groups, NotKnown):
        return f"{said}; whether it passes is not known", None
    ways = [(nodes.groups, system.groups), (system.groups, nodes.groups)]
    closed = read(_closed, groups, ways if lustre else ways[:1], LUSTRE if lustre else NFS)
    if isinstance(closed, NotKnown):
        return f"{said}; whether it passes is not known", None
    if closed:
        return f"{said}: the security groups do not let it pass", False
    return f"{said} {'pass both ways' if lustre else 'passes'}", True


def _closed(
    groups: SecurityGroups, ways: Sequence[tuple[Sequence[Key], ...]], ports: Sequence[int]
) -> bool:
    """Whether some port is closed on the way from one set of groups to another."""
    for source, target in ways:
        out = groups.closed_ports(source, "out", ports, set(target))
        if out or groups.closed_ports(target, "in", ports, set(source)):
            return True
    return False
