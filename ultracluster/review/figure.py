"""One group of templates that are deployed together, as pictures and as a security matrix."""

from collections.abc import Iterable, Mapping
from typing import Final

from ultracluster.catalogue.lustre import PORTS
from ultracluster.model.model import Model
from ultracluster.model.traffic import Traffic
from ultracluster.review.changes.change import Change, Danger
from ultracluster.review.drawing.boxes import Context
from ultracluster.review.drawing.picture import Figure, blocks_around, network_blocks
from ultracluster.review.naming import Names
from ultracluster.review.security.matrix import Matrix, matrix
from ultracluster.review.topology.known import NotKnown
from ultracluster.review.topology.nodes import Nodes
from ultracluster.review.topology.storage import FileSystem
from ultracluster.review.topology.survey import survey
from ultracluster.templates.resolved import ResolvedGroup
from ultracluster.templates.resolved_values import Key

LUSTRE: Final = tuple(Traffic("tcp", first, last) for first, last in PORTS)
NFS: Final = (Traffic("tcp", 2049, 2049),)
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
    found = matrix(model, called)
    context = Context(topology.fabrics, lambda n, f: mount(found, n, f), called.key, marks or {})
    network, around = network_blocks(topology, context), blocks_around(topology, context)
    return Figure(topology, list(network), list(around), found, number)


def mount(found: Matrix, nodes: Nodes, file_system: FileSystem) -> tuple[str, bool | None]:
    """Return what passes between nodes and a file system, and whether that is enough."""
    if "Lustre" in file_system.kind:
        asked, said = LUSTRE, "Lustre: TCP 988 and 1018–1023"
    else:
        asked, said = NFS, "NFS: TCP 2049"
    if isinstance(nodes.groups, NotKnown) or isinstance(file_system.groups, NotKnown):
        return f"{said}; whether it passes is not known", None
    clients, servers = list(nodes.groups), list(file_system.groups)
    known: set[Key] = {party.key for party in found.sources if party.kind == "group"}
    if not servers or any(group not in known for group in (*clients, *servers)):
        return f"{said}; whether it passes is not known", None
    ways = [(clients, servers)]
    if asked is LUSTRE:
        ways.append((servers, clients))
    passing = all(found.passes(a, b, each) for a, b in ways for each in asked)
    if passing:
        return f"{said} {'pass both ways' if asked is LUSTRE else 'passes'}", True
    if found.unknown:
        return f"{said}; whether it passes is not known", None
    return f"{said}: the security groups do not let it pass", False
