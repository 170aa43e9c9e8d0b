"""Checks of service quotas: what the environment adds, and what is in use."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ultracluster.catalogue import quotas
from ultracluster.catalogue.instances import letters
from ultracluster.catalogue.interfaces import layout
from ultracluster.catalogue.quotas import Quota
from ultracluster.preflight import usage
from ultracluster.preflight.finding import Finding, Situation, check, skipped
from ultracluster.preflight.inquiry import UnansweredError
from ultracluster.preflight.offerings import NO_SLURM, clusters_of_others
from ultracluster.preflight.quotas import Need, fitting
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.node_groups import plain_nodes
from ultracluster.spec.nodes import NodesSpec

GIVEN_VPC: Final = "the environment uses an existing VPC"


class Vcpus(NamedTuple):
    """On-demand vCPUs of nodes of one type, with the calculation as text."""

    instance_type: str
    amount: int
    words: str


def _on_demand(situation: Situation) -> Iterator[Vcpus]:
    """Yield what is launched on demand or reserved: nodes, Slurm's groups, login nodes."""
    for nodes in situation.spec.fabrics().values():
        if nodes.capacity_block is not None:
            continue
        count, each = nodes.total - _reserved_already(situation, nodes), nodes.instance.vcpus
        words = f"{count:,} x {nodes.instance_type} of {each:,} vCPU"
        if nodes.makes_reservation:
            words += ", from the moment they are reserved"
        yield Vcpus(nodes.instance_type, count * each, words)
    for plain in plain_nodes(situation.spec):
        each = 0  # of a type that EC2 does not know here
        try:
            each = usage.vcpus_of(situation, [plain.instance_type]).get(plain.instance_type, 0)
        except UnansweredError as error:
            if error.code != "InvalidInstanceType":
                raise
        words = f"{plain.count:,} x {plain.instance_type} of {each:,} vCPU"
        yield Vcpus(plain.instance_type, plain.count * each, words)


@check("quota-vcpus", "On-demand vCPUs of the nodes, running or reserved", fitting)
def _nodes(situation: Situation) -> Iterator[Need | Finding]:
    """Count what shares the quota of the environment's nodes."""
    nodes = situation.spec.nodes
    families, quota = quotas.on_demand(nodes.instance_type)
    if nodes.capacity_block is not None:
        yield skipped(quota.name, "the nodes run in a Capacity Block, not on demand")
        return
    parts = [each for each in _on_demand(situation) if _shares(nodes, each)]
    yield _vcpu_need(families, quota, parts)


def _shares(nodes: NodesSpec, part: Vcpus) -> bool:
    """Whether something counts against the quota that the nodes count against."""
    if nodes.capacity_block is not None:
        return False
    families, _ = quotas.on_demand(nodes.instance_type)
    return part.instance_type == nodes.instance_type or (letters(part.instance_type) in families)


def _vcpu_need(families: tuple[str, ...], quota: Quota, parts: Sequence[Vcpus]) -> Need:
    words = " + ".join(part.words for part in parts)
    return Need(quota, sum(p.amount for p in parts), words, usage.on_demand_vcpus(families))


def _reserved_already(situation: Situation, nodes: NodesSpec) -> int:
    """Return how many nodes count already, as unused places of the reservation they will use."""
    reservation = nodes.capacity_reservation
    if reservation is None or reservation.capacity_reservation_id is None:
        return 0
    free = (
        int(row["AvailableInstanceCount"])
        for row in situation.ask(usage.RESERVATIONS)["CapacityReservations"]
        if row["CapacityReservationId"] == reservation.capacity_reservation_id
        and row.get("OwnerId") == situation.caller.account
        and row["InstanceType"] == nodes.instance_type
    )
    return min(sum(free), nodes.total)


@check("quota-login-vcpus", "On-demand vCPUs of other families, as of login nodes", fitting)
def _others(situation: Situation) -> Iterator[Need | Finding]:
    """Count what has a quota of its own: login nodes, CPU groups, groups of another family."""
    nodes = situation.spec.nodes
    every = list(_on_demand(situation))
    others = [each for each in every if not _shares(nodes, each)]
    if not others:
        _, quota = quotas.on_demand(nodes.instance_type)
        shared = skipped(quota.name, "one quota holds nodes and login nodes; see quota-vcpus")
        yield shared if len(every) > 1 else skipped("login nodes", "the environment has none")
    known: dict[tuple[str, ...], list[Vcpus]] = {}
    for each in others:
        families, _ = quotas.on_demand(each.instance_type)
        subject = f"vCPUs of {each.instance_type}"
        if not families:
            yield skipped(subject, "which quota its family counts against is not known")
        elif not each.amount:
            yield skipped(subject, "the type does not exist in this Region; see login-offering")
        else:
            known.setdefault(families, []).append(each)
    for families, parts in known.items():
        _, quota = quotas.on_demand(parts[0].instance_type)
        yield _vcpu_need(families, quota, parts)


@check("quota-network-interfaces", "Network interfaces, by the nodes' layout", fitting)
def _interfaces(situation: Situation) -> Iterator[Need | Finding]:
    spec = situation.spec
    per_node = len(layout(spec.nodes.instance, spec.nodes.interface_layout))
    nat = isinstance(spec.network, NetworkSpec) and spec.network.public_subnet_cidr is not None
    # Everything but a node has as many interfaces as addresses.
    others = {name: n for name, n in spec.address_demand().items() if name != "nodes"}
    parts = {"nodes": spec.nodes.total * per_node, **others, "NAT": int(nat)}
    words = " + ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    count, what = sum(parts.values()), f"{words}; {per_node} a node"
    yield Need(quotas.NETWORK_INTERFACES, count, what, usage.network_interfaces)


def _one(quota: Quota, what: str, in_use: usage.Usage, why_none: str) -> Need | Finding:
    """Return the need of one more, or why there is none."""
    return skipped(quota.name, why_none) if why_none else Need(quota, 1, what, in_use)


@check("quota-vpcs", "VPCs of the Region", fitting)
def _vpcs(situation: Situation) -> Iterator[Need | Finding]:
    why = "" if isinstance(situation.spec.network, NetworkSpec) else GIVEN_VPC
    yield _one(quotas.VPCS_PER_REGION, "the VPC", usage.without_own(usage.VPCS, "Vpcs"), why)


@check("quota-elastic-ips", "Elastic IPs of the Region", fitting)
def _addresses(situation: Situation) -> Iterator[Need | Finding]:
    network, in_use = situation.spec.network, usage.without_own(usage.ADDRESSES, "Addresses")
    why = "" if isinstance(network, NetworkSpec) else GIVEN_VPC
    if getattr(network, "public_subnet_cidr", None) is None:
        why = why or "the environment's network has no NAT gateway"
    yield _one(quotas.ELASTIC_IPS, "the NAT gateway's address", in_use, why)


@check("quota-file-systems", "Lustre file systems of the deployment type", fitting)
def _file_systems(situation: Situation) -> Iterator[Need | Finding]:
    kind = quotas.lustre(situation.spec.storage.deployment_type)
    yield Need(kind.count, 1, "the file system", usage.file_systems(kind))


@check("quota-file-system-capacity", "Lustre capacity of the deployment type", fitting)
def _capacity(situation: Situation) -> Iterator[Need | Finding]:
    storage = situation.spec.storage
    kind = quotas.lustre(storage.deployment_type)
    amount = storage.capacity_gib or 0
    if storage.storage_type == "INTELLIGENT_TIERING":
        amount = storage.throughput_capacity_mbps or 0
        in_use = usage.file_systems(kind, "ThroughputCapacity")
        yield Need(quotas.LUSTRE_TIERING, amount, f"{amount:,} MB/s of throughput", in_use)
    elif storage.storage_type == "HDD":
        # This quota is one file system's.
        yield Need(quotas.LUSTRE_HDD, amount, f"{amount:,} GiB", lambda _: 0)
    else:
        in_use = usage.file_systems(kind, "StorageCapacity")
        yield Need(kind.capacity, amount, f"{amount:,} GiB", in_use)


def _of_sagemaker(
    situation: Situation, quota: Quota, in_use: usage.Usage, how: str = ""
) -> Iterator[Need | Finding]:
    count = situation.spec.sagemaker.instances
    if not count:
        yield skipped(quota.name, "the environment asks for no SageMaker instances")
        return
    name = situation.spec.nodes.instance.sagemaker_training_type
    yield Need(quota, count, f"{count:,} x {name}{how}", in_use)


@check("quota-training-instances", "SageMaker training instances of the type", fitting)
def _training_instances(situation: Situation) -> Iterator[Need | Finding]:
    name = situation.spec.nodes.instance.sagemaker_training_type or ""
    in_use = usage.training_instances(name)
    yield from _of_sagemaker(situation, quotas.of_training(name), in_use)


def _no_recipe(situation: Situation, subject: str, what: str) -> Finding:
    if situation.recipes:
        names = ", ".join(each.name for each in situation.recipes)
        return skipped(subject, f"{what} is in no recipe of {names}")
    return skipped(subject, "no recipe was given; --recipe NAME checks what its job needs")


@check("quota-training-warm-pools", "SageMaker warm pools of recipes", fitting)
def _warm_pools(situation: Situation) -> Iterator[Need | Finding]:
    """Yield a need for each instance type that a recipe keeps warm."""
    recipes = [each for each in situation.recipes if each.warm_pool_seconds]
    if not recipes:
        yield _no_recipe(situation, "warm pools", "warm_pool_seconds")
    types = {each.instance.sagemaker_training_type or "" for each in recipes}
    for name in sorted(types):
        own = [r for r in recipes if (r.instance.sagemaker_training_type or "") == name]
        words = " + ".join(f"{each.nodes:,} of {each.name}" for each in own)
        quota, amount = quotas.of_training(name, "training warm pool"), sum(e.nodes for e in own)
        yield Need(quota, amount, words, usage.warm_pools(name))


@check("quota-training-run-time", "SageMaker's longest run, against that of recipes", fitting)
def _run_time(situation: Situation) -> Iterator[Need | Finding]:
    if not situation.recipes:
        yield _no_recipe(situation, "longest run time", "max_runtime_seconds")
        return
    longest = max(situation.recipes, key=lambda each: each.limits.max_runtime_seconds)
    seconds = longest.limits.max_runtime_seconds
    words = f"seconds of {longest.name}, all attempts together"
    yield Need(quotas.LONGEST_RUN, seconds, words, lambda _: 0)


@check("quota-training-job-instances", "SageMaker instances of one job", fitting)
def _instances_of_a_job(situation: Situation) -> Iterator[Need | Finding]:
    how = " in one job"
    yield from _of_sagemaker(situation, quotas.INSTANCES_OF_A_JOB, lambda _: 0, how)


@check("quota-training-instances-in-all", "SageMaker instances of all jobs", fitting)
def _instances_of_all_jobs(situation: Situation) -> Iterator[Need | Finding]:
    in_use = usage.training_instances()
    yield from _of_sagemaker(situation, quotas.INSTANCES_OF_ALL_JOBS, in_use)


@check("quota-slurm-clusters", "PCS clusters of the Region", fitting)
def _clusters(situation: Situation) -> Iterator[Need | Finding]:
    why = NO_SLURM if situation.spec.slurm is None else ""
    yield _one(quotas.PCS_CLUSTERS, "the cluster", clusters_of_others, why)
