"""Key figures: nodes, GPUs, storage, addresses and cost."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ultracluster.catalogue import quotas
from ultracluster.catalogue.instances import letters, vcpus_by_size
from ultracluster.catalogue.prices import on_demand
from ultracluster.catalogue.quotas import Quota, of_training
from ultracluster.cost.sheet import Amount, CostSheet
from ultracluster.review.bill import NOT_TOLD, hour, sheet_of, uncounted
from ultracluster.review.drawing.boxes import address_words
from ultracluster.review.naming import tebibytes
from ultracluster.review.resolved import NotKnown, words
from ultracluster.review.topology.networks import Subnet
from ultracluster.review.topology.nodes import Nodes
from ultracluster.review.topology.storage import FileSystem
from ultracluster.review.topology.survey import Topology
from ultracluster.rules.safety_references import MOST_BYTES, MOST_OF_A_SECTION, MOST_RESOURCES
from ultracluster.templates.resolved import Template
from ultracluster.templates.scope import section

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec

MOST_SUBNETS: Final = 40
NEAR: Final = 0.8
"""Share of one of CloudFormation's limits from which a reviewer should know."""


@dataclass(frozen=True)
class Row:
    """One number."""

    what: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Numbers:
    """Numbers of one kind."""

    title: str
    rows: Sequence[Row]


def numbers(topologies: Sequence[Topology], spec: "EnvironmentSpec | None") -> list[Numbers]:
    kinds = {
        "Capacity": _capacity,
        "IP addresses at full size": _addresses,
        "Service quotas used": _quotas,
        "Cost": _cost,
    }
    found = [Numbers(title, list(rows(topologies, spec))) for title, rows in kinds.items()]
    return [each for each in found if each.rows]


def _capacity(topologies: Sequence[Topology], spec: "EnvironmentSpec | None") -> Iterator[Row]:
    for topology in topologies:
        for nodes in topology.nodes:
            yield from _of_nodes(nodes)
        for reservation in topology.reservations:
            reserved = isinstance(reservation.count, int)
            value = f"{reservation.count:,} instances" if reserved else "not known"
            yield Row(f"Reserved: {reservation.name}", value, reservation.kind)
        for file_system in topology.file_systems:
            yield from _of_file_system(file_system, topology)
    if spec is not None and spec.sagemaker.instances:
        many = f"{spec.sagemaker.instances:,} instances"
        yield Row("SageMaker jobs", many, "from the environment; no template says it")


def _of_file_system(file_system: FileSystem, topology: Topology) -> Iterator[Row]:
    gib, rate = file_system.gib, file_system.gigabytes_per_second
    size = f"not known: {gib.because}" if isinstance(gib, NotKnown) else tebibytes(gib)
    yield Row(f"{file_system.kind} {file_system.name}", size)
    if isinstance(rate, float | int):
        many = sum(n.count for n in topology.nodes if n.instance and isinstance(n.count, int))
        each = f"{rate * 1000 / many:,.0f} MB/s for each of {many:,} nodes" if many else ""
        yield Row(f"Throughput of {file_system.name}", f"{rate:,.2f} GB/s", each)


def _of_nodes(nodes: Nodes) -> Iterator[Row]:
    name, count, instance = nodes.name, nodes.count, nodes.instance
    note = f"{words(nodes.type_name, 'of a type not known')}, at most"
    if not isinstance(count, int):
        because = count.because if count else "nothing in these templates launches them"
        note = note.replace(", at most", f"; {because}")
    yield Row(f"Nodes {name}", words(count), note)
    if instance is None:
        return
    accelerator, cards = instance.accelerator, instance.network_cards
    if isinstance(count, int) and accelerator.count:
        many = count * accelerator.count
        note = f"{accelerator.count} a node"
        if gib := accelerator.memory_mib * many / 1024:
            note += f"; {tebibytes(gib)} of memory on them"
        yield Row(f"{accelerator.plural} of {name}", f"{many:,} {accelerator.name}", note)
    stated = [] if isinstance(nodes.interfaces, NotKnown) else nodes.interfaces
    fabric = [e.card for e in stated if e.carries_fabric]
    used = len({card for card in fabric if isinstance(card, int)})
    note = f"{cards.count} network cards" + (f", EFA on {used}" if fabric else "")
    yield Row(f"Network of each {name} node", f"{cards.gbps:,.0f} Gbps", note)


def _addresses(topologies: Sequence[Topology], spec: "EnvironmentSpec | None") -> Iterator[Row]:
    subnets = [subnet for topology in topologies for subnet in topology.subnets]
    for subnet in subnets[:MOST_SUBNETS]:
        total, name = subnet.addresses, f"Subnet {subnet.name}"
        if isinstance(total, NotKnown):
            yield Row(name, "not known", total.because)
        else:
            yield Row(name, f"{subnet.used:,} of {total:,}", address_words(subnet))
    if len(subnets) > MOST_SUBNETS:
        yield Row("further subnets", f"{len(subnets) - MOST_SUBNETS:,}", "see the picture")
    if spec is not None:
        demand = spec.address_demand()
        used, held = sum(demand.values()), spec.network.training_addresses
        parts = ", ".join(f"{name} {count:,}" for name, count in demand.items() if count)
        taken = f"{used:,} used, {held - used:,} free"
        what = "All training subnets with SageMaker at full size"
        yield Row(what, taken, f"{parts}; from the environment")


def _quotas(topologies: Sequence[Topology], spec: "EnvironmentSpec | None") -> Iterator[Row]:
    nodes = [n for t in topologies for n in t.nodes]
    unknown = any(not isinstance(n.count, int) for n in nodes)
    yield from _vcpus(nodes)
    vpcs = [vpc for t in topologies for vpc in t.vpcs]
    subnets = [subnet for vpc in vpcs for subnet in vpc.subnets]
    interfaces = _interfaces(nodes, subnets)
    if spec is not None:
        interfaces += spec.address_demand()["SageMaker"]
    zones = Counter(str(subnet.zone) for subnet in subnets for _ in subnet.nats)
    for quota, amount in (
        (quotas.NETWORK_INTERFACES, interfaces),
        (quotas.VPCS_PER_REGION, sum(not vpc.outside for vpc in vpcs)),
        (quotas.ELASTIC_IPS, sum(zones.values())),
        (quotas.NATS_PER_ZONE, max(zones.values(), default=0)),
        (quotas.GATEWAY_ENDPOINTS, sum(len(vpc.gateway_endpoints) for vpc in vpcs)),
    ):
        least = unknown and quota is quotas.NETWORK_INTERFACES
        if amount:
            yield _quota(quota, f"{amount:,}", "at least: not all nodes are known" if least else "")
    yield from _lustre_quotas([f for t in topologies for f in t.file_systems])
    if spec is not None and spec.sagemaker.instances:
        name = spec.nodes.instance.sagemaker_training_type
        yield _quota(of_training(str(name)), f"{spec.sagemaker.instances:,}")


def _vcpus(found: Sequence[Nodes]) -> Iterator[Row]:
    """Yield the vCPU that count against each quota of On-Demand instances."""
    stated = [n for n in found if isinstance(n.type_name, str)]
    counted = [n for n in stated if hour(n) == on_demand(str(n.type_name))]
    for families, quota in quotas.ON_DEMAND:
        amount, by_size, unknown = 0, [], []
        for nodes in (n for n in counted if letters(str(n.type_name)) in families):
            name, count = str(nodes.type_name), nodes.count
            each = nodes.instance.vcpus if nodes.instance else vcpus_by_size(name)
            if each is None or not isinstance(count, int):
                unknown.append(f"{words(count, 'an unknown number of')} {name}")
                continue
            amount += count * each
            if nodes.instance is None:
                by_size.append(f"{name} has {each} vCPU by its size")
        notes = [f"without {', '.join(unknown)}, whose vCPU are not known"] if unknown else []
        if amount or unknown:
            value = f"{amount:,} vCPU" if amount else "not known"
            yield _quota(quota, value, "; ".join([*notes, *dict.fromkeys(by_size)]))


def _interfaces(found: Sequence[Nodes], subnets: Sequence[Subnet]) -> int:
    """Return how many network interfaces there are, as far as that is known."""
    count = sum(len(subnet.nats) + len(subnet.endpoints) for subnet in subnets)
    servers = [system.servers for subnet in subnets for system in subnet.file_systems]
    count += sum(number for number in servers if isinstance(number, int))
    for nodes in found:
        if isinstance(nodes.count, int) and not isinstance(nodes.interfaces, NotKnown):
            count += nodes.count * max(len(nodes.interfaces), 1)
    return count


def _lustre_quotas(file_systems: Sequence[FileSystem]) -> Iterator[Row]:
    for kind in quotas.LUSTRE:
        names = {f"Lustre {name}" for name in kind.deployment_types}
        mine = [system for system in file_systems if system.kind in names]
        if mine:
            yield _quota(kind.count, f"{len(mine)}")
        sizes = [f.gib for f in mine if isinstance(f.gib, int)]
        if sizes:
            hdd = any("HDD" in f.notes for f in mine)
            unknown = "" if len(sizes) == len(mine) else "at least: not every capacity is known"
            quota = quotas.LUSTRE_HDD if hdd else kind.capacity
            yield _quota(quota, f"{sum(sizes):,} GiB", unknown)


def _quota(quota: Quota, value: str, note: str = "") -> Row:
    code = " ".join(filter(None, (quota.service, quota.code)))
    return Row(quota.name, value, "; ".join(filter(None, (code, note))))


def _cost(topologies: Sequence[Topology], spec: "EnvironmentSpec | None") -> Iterator[Row]:
    if spec is not None:
        full = "every node and every SageMaker instance at once"
        yield from _cost_of(spec.cost_sheet(), full, "no node and no job runs")
        return
    for topology in topologies:
        sheet, missing = sheet_of(topology), uncounted(topology)
        if sheet is None:
            yield Row("Cost", "not known", "the templates do not say their Region; write --region")
            continue
        if sheet.lines:
            yield from _cost_of(sheet, f"every node at once; {NOT_TOLD}", "no node runs")
        else:
            named = _unpriced(sheet)
            named = f"no price is known of {named}" if named else "nothing that has a price"
            yield Row("Cost", "not known", f"{named}; {NOT_TOLD}")
        if missing:
            yield Row("Not in the sum", "not known", ", ".join(missing))


def _cost_of(sheet: CostSheet, full: str, idle: str) -> Iterator[Row]:
    yield Row("At full size", _money(sheet.full), full)
    yield Row("Idle", _money(sheet.idle), idle)
    for line in sheet.dominating(3):
        share = f"{float(sheet.share(line)):.0%} of the whole"
        yield Row(f"Of which: {line.quantity.purpose}", _money(line.full), share)
    if sheet.unpriced:
        yield Row("Without a price", "not known", f"{_unpriced(sheet)}; not in the sum")


def _unpriced(sheet: CostSheet) -> str:
    return ", ".join(quantity.purpose for quantity in sheet.unpriced)


def _money(amount: Amount) -> str:
    day, month = amount.per_day, amount.per_month
    return f"{amount.per_hour:,.2f} USD an hour, {day:,.0f} a day, {month:,.0f} a month"


@dataclass(frozen=True)
class Size:
    """How large a template is."""

    name: str
    file: str
    bytes: int
    resources: int
    parameters: int
    outputs: int
    protected: bool | None
    """Whether termination protection is on; None where only the template is given: it is a
    setting of the stack and stands in no template."""

    @property
    def protection(self) -> str:
        return {True: "on", False: "off", None: "not in the template"}[self.protected]

    @property
    def near(self) -> Sequence[str]:
        """The limits that it comes near to, which a fabric rule holds as well."""
        limits = {"bytes": MOST_BYTES, "resources": MOST_RESOURCES}
        limits |= {"parameters": MOST_OF_A_SECTION, "outputs": MOST_OF_A_SECTION}
        return [
            f"{what} at {getattr(self, what) / limit:.0%} of {limit:,}"
            for what, limit in limits.items()
            if getattr(self, what) >= NEAR * limit
        ]


def size_of(template: Template) -> Size:
    """Return the size of a template, as it lies in its file."""
    names = ("Resources", "Parameters", "Outputs")
    resources, parameters, outputs = (len(section(template.body, name)) for name in names)
    file, own = template.file or "", template.size or 0
    return Size(template.name, file, own, resources, parameters, outputs, template.protected)
