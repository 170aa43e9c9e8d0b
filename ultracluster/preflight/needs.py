"""The quotas that an environment counts against: for each, what it adds and what is in use."""

from collections.abc import Callable, Iterator
from typing import Final

from ultracluster.catalogue import quotas
from ultracluster.catalogue.interfaces import layout
from ultracluster.catalogue.quotas import Quota
from ultracluster.preflight import usage
from ultracluster.preflight.finding import Check, Finding, Situation, passed, skipped
from ultracluster.preflight.inquiry import UnansweredError
from ultracluster.preflight.quotas import Need, quota_check
from ultracluster.preflight.slurm import NO_SLURM, clusters_of_others
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.recipe import RecipeSpec

NO_TYPE: Final = "InvalidInstanceType"
PERSISTENT_2: Final = "PERSISTENT_2"
GIVEN_VPC: Final = "the environment uses a VPC that is there already"


def _nodes(situation: Situation) -> Iterator[Need | Finding]:
    nodes, slurm = situation.spec.nodes, situation.spec.slurm
    families, quota = quotas.on_demand(nodes.instance_type)
    if nodes.capacity_block is not None:
        yield skipped(quota.name, "the nodes run in a Capacity Block, not on demand")
        return
    count = nodes.count - _reserved_already(situation)
    each = nodes.instance.vcpus
    words = f"{count:,} x {nodes.instance_type} of {each:,} vCPU"
    if nodes.makes_reservation:
        words += ", from the moment they are reserved"
    amount = count * each
    if slurm is not None and quotas.family(slurm.login_instance_type or "") in families:
        login, how = _login_vcpus(situation)
        amount, words = amount + login, f"{words} + {how}"
    yield Need(quota, amount, words, usage.on_demand_vcpus(families))


def _reserved_already(situation: Situation) -> int:
    """Return how many nodes count already, as unused places of the reservation they will use."""
    nodes = situation.spec.nodes
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
    return min(sum(free), nodes.count)


def _spot(situation: Situation) -> Iterator[Need | Finding]:
    """Say what Spot would have: whoever means to move nodes there reads it here, not at launch."""
    families, _ = quotas.on_demand(situation.spec.nodes.instance_type)
    quota = next((quota for letters, quota in quotas.SPOT if letters == families), None)
    if quota is None:
        yield skipped("Spot vCPUs", "which quota the nodes' family counts against is not known")
        return
    words = "an environment launches nothing on Spot"
    yield Need(quota, 0, words, usage.spot_vcpus(families))


def _login_nodes(situation: Situation) -> Iterator[Need | Finding]:
    """Login nodes run on demand, whatever the nodes run in."""
    slurm, nodes = situation.spec.slurm, situation.spec.nodes
    if slurm is None or slurm.login_instance_type is None:
        yield skipped("login nodes", "the environment has none")
        return
    name = slurm.login_instance_type
    families, quota = quotas.on_demand(name)
    if not families:
        yield skipped(f"vCPUs of {name}", "which quota its family counts against is not known")
        return
    if quotas.family(nodes.instance_type) in families and nodes.capacity_block is None:
        yield skipped(quota.name, "one quota holds nodes and login nodes; see quota-vcpus")
        return
    amount, words = _login_vcpus(situation)
    if not amount:
        yield skipped(f"vCPUs of {name}", "EC2 knows no such type here; see login-offering")
        return
    yield Need(quota, amount, words, usage.on_demand_vcpus(families))


def _login_vcpus(situation: Situation) -> tuple[int, str]:
    """Return the vCPUs of all login nodes, and how they come about; 0 for an unknown type."""
    slurm = situation.spec.slurm
    name = "" if slurm is None else slurm.login_instance_type or ""
    try:
        each = usage.vcpus_of(situation, [name]).get(name, 0)
    except UnansweredError as error:
        if error.code != NO_TYPE:
            raise
        each = 0
    count = 0 if slurm is None else slurm.login_instances
    return count * each, f"{count:,} x {name} of {each:,} vCPU"


def _interfaces(situation: Situation) -> Iterator[Need | Finding]:
    spec = situation.spec
    per_node = len(layout(spec.nodes.instance, spec.nodes.interface_layout))
    nat = isinstance(spec.network, NetworkSpec) and spec.network.public_subnet_cidr is not None
    # Everything but a node has as many interfaces as addresses.
    others = {name: n for name, n in spec.address_demand().items() if name != "nodes"}
    parts = {"nodes": spec.nodes.count * per_node, **others, "NAT": int(nat)}
    words = " + ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    yield Need(
        quotas.NETWORK_INTERFACES,
        sum(parts.values()),
        f"{words}; {per_node} a node",
        usage.network_interfaces,
    )


def _why_no_vpc(situation: Situation) -> str:
    return "" if isinstance(situation.spec.network, NetworkSpec) else GIVEN_VPC


def _why_no_nat(situation: Situation) -> str:
    network = situation.spec.network
    if not isinstance(network, NetworkSpec):
        return GIVEN_VPC
    closed = network.public_subnet_cidr is None
    return "the environment's network has no NAT gateway" if closed else ""


def _why_no_gateway_endpoint(situation: Situation) -> str:
    network = situation.spec.network
    if isinstance(network, NetworkSpec) or any(s.route_table_id for s in network.training_subnets):
        return ""
    return f"{GIVEN_VPC}, and no route table of it is to have an S3 endpoint"


def _why_no_slurm(situation: Situation) -> str:
    return NO_SLURM if situation.spec.slurm is None else ""


def _one(
    quota: Quota, what: str, in_use: usage.Usage, why_none: Callable[[Situation], str]
) -> Callable[[Situation], Iterator[Need | Finding]]:
    """Return the need of one more, or why there is none."""

    def need(situation: Situation) -> Iterator[Need | Finding]:
        reason = why_none(situation)
        yield skipped(quota.name, reason) if reason else Need(quota, 1, what, in_use)

    return need


def _file_systems(situation: Situation) -> Iterator[Need | Finding]:
    kind = quotas.lustre(situation.spec.storage.deployment_type)
    in_use: usage.Usage = lambda s: len(list(usage.file_systems(s, kind)))  # noqa: E731
    yield Need(kind.count, 1, "the file system", in_use)


def _file_system_capacity(situation: Situation) -> Iterator[Need | Finding]:
    storage = situation.spec.storage
    kind = quotas.lustre(storage.deployment_type)

    def throughput(asked: Situation) -> int:
        return sum(
            int((row.get("LustreConfiguration") or {}).get("ThroughputCapacity") or 0)
            for row in usage.file_systems(asked, kind)
        )

    def gibibytes(asked: Situation) -> int:
        rows = usage.file_systems(asked, kind)
        ssd = (row for row in rows if (row.get("StorageType") or "SSD") == "SSD")
        return sum(int(row.get("StorageCapacity") or 0) for row in ssd)

    if storage.storage_type == "INTELLIGENT_TIERING":
        amount = storage.throughput_capacity_mbps or 0
        words = f"{amount:,} MB/s of throughput"
        yield Need(quotas.LUSTRE_TIERING, amount, words, throughput)
        return
    amount = storage.capacity_gib or 0
    if storage.storage_type == "HDD":
        # This quota is one file system's.
        yield Need(quotas.LUSTRE_HDD, amount, f"{amount:,} GiB", lambda _: 0)
    else:
        yield Need(kind.capacity, amount, f"{amount:,} GiB", gibibytes)


def _persistent_2(situation: Situation) -> Iterator[Finding]:
    """No API says where PERSISTENT_2 is sold; a file system that is there does."""
    subject = f"PERSISTENT_2 in {situation.spec.region}"
    if situation.spec.storage.deployment_type != PERSISTENT_2:
        yield skipped(subject, f"the file system is {situation.spec.storage.deployment_type}")
        return
    there = [
        row["FileSystemId"]
        for row in situation.ask(usage.FILE_SYSTEMS)["FileSystems"]
        if usage.deployment_type(row) == PERSISTENT_2
        and row.get("Lifecycle") not in usage.FILE_SYSTEM_IS_GONE
    ]
    if there:
        yield passed(subject, f"{there[0]} is one", usage.FILE_SYSTEMS)
        return
    yield skipped(
        subject,
        "no API says where it is sold, and the account has none here to go by",
        "look at the FSx console's list of deployment types in this Region",
        usage.FILE_SYSTEMS,
    )


def _of_sagemaker(
    situation: Situation, quota: Quota, in_use: usage.Usage, how: str = ""
) -> Iterator[Need | Finding]:
    count = situation.spec.sagemaker.instances
    if not count:
        yield skipped(quota.name, "the environment asks for no SageMaker instances")
        return
    name = situation.spec.nodes.instance.sagemaker_training_type
    yield Need(quota, count, f"{count:,} x {name}{how}", in_use)


def _training_instances(situation: Situation) -> Iterator[Need | Finding]:
    name = situation.spec.nodes.instance.sagemaker_training_type or ""
    in_use: usage.Usage = lambda s: usage.training_instances(s, spot=False)[name]  # noqa: E731
    yield from _of_sagemaker(situation, quotas.of_training(name), in_use)


def _instances_of_a_job(situation: Situation) -> Iterator[Need | Finding]:
    yield from _of_sagemaker(situation, quotas.INSTANCES_OF_A_JOB, lambda _: 0, " in one job")


def _instances_of_all_jobs(situation: Situation) -> Iterator[Need | Finding]:
    in_use: usage.Usage = lambda s: sum(usage.training_instances(s).values())  # noqa: E731
    yield from _of_sagemaker(situation, quotas.INSTANCES_OF_ALL_JOBS, in_use)


def _spot_training(situation: Situation) -> Iterator[Need | Finding]:
    recipes = [each for each in situation.recipes if each.spot]
    if not recipes:
        yield _no_recipe(situation, "spot training", "spot=True")
    for name, own in _by_type(recipes):
        quota = quotas.of_training(name, "spot training job")
        amount, words = _instances_of(own)
        yield Need(
            quota, amount, words, lambda s, name=name: usage.training_instances(s, spot=True)[name]
        )


def _warm_pools(situation: Situation) -> Iterator[Need | Finding]:
    recipes = [each for each in situation.recipes if each.warm_pool_seconds]
    if not recipes:
        yield _no_recipe(situation, "warm pools", "warm_pool_seconds")
    for name, own in _by_type(recipes):
        quota = quotas.of_training(name, "training warm pool")
        amount, words = _instances_of(own)
        yield Need(quota, amount, words, lambda s, name=name: usage.warm_pools(s)[name])


def _by_type(recipes: list[RecipeSpec]) -> Iterator[tuple[str, list[RecipeSpec]]]:
    names = {each.instance.sagemaker_training_type or "" for each in recipes}
    for name in sorted(names):
        yield name, [r for r in recipes if r.instance.sagemaker_training_type == name]


def _instances_of(recipes: list[RecipeSpec]) -> tuple[int, str]:
    words = " + ".join(f"{each.nodes:,} of {each.name}" for each in recipes)
    return sum(each.nodes for each in recipes), words


def _no_recipe(situation: Situation, subject: str, what: str) -> Finding:
    if situation.recipes:
        names = ", ".join(each.name for each in situation.recipes)
        return skipped(subject, f"{what} is in no recipe of {names}")
    return skipped(subject, "no recipe was named; --recipe NAME asks for what its job takes")


CHECKS: Final = (
    quota_check("quota-vcpus", "On-demand vCPUs of the nodes, running or reserved", _nodes),
    quota_check("quota-spot-vcpus", "Spot vCPUs of the nodes' family; nothing is added", _spot),
    quota_check("quota-login-vcpus", "On-demand vCPUs of Slurm's login nodes", _login_nodes),
    quota_check(
        "quota-network-interfaces", "Network interfaces, by the nodes' layout", _interfaces
    ),
    quota_check(
        "quota-vpcs",
        "VPCs of the Region",
        _one(quotas.VPCS_PER_REGION, "the VPC", usage.others(usage.VPCS, "Vpcs"), _why_no_vpc),
    ),
    quota_check(
        "quota-elastic-ips",
        "Elastic IPs of the Region",
        _one(
            quotas.ELASTIC_IPS,
            "the NAT gateway's address",
            usage.others(usage.ADDRESSES, "Addresses"),
            _why_no_nat,
        ),
    ),
    quota_check(
        "quota-nat-gateways",
        "NAT gateways of the zone",
        _one(
            quotas.NATS_PER_ZONE,
            "the NAT gateway",
            usage.nat_gateways_of_the_zone,
            _why_no_nat,
        ),
    ),
    quota_check(
        "quota-gateway-endpoints",
        "Gateway endpoints of the Region",
        _one(
            quotas.GATEWAY_ENDPOINTS,
            "S3",
            usage.gateway_endpoints,
            _why_no_gateway_endpoint,
        ),
    ),
    quota_check("quota-file-systems", "Lustre file systems of the deployment type", _file_systems),
    quota_check(
        "quota-file-system-capacity",
        "Lustre capacity of the deployment type",
        _file_system_capacity,
    ),
    Check("lustre-persistent-2", "PERSISTENT_2 is offered in the Region", _persistent_2),
    quota_check(
        "quota-training-instances", "SageMaker training instances of the type", _training_instances
    ),
    quota_check(
        "quota-training-spot-instances", "SageMaker spot instances of recipes", _spot_training
    ),
    quota_check("quota-training-warm-pools", "SageMaker warm pools of recipes", _warm_pools),
    quota_check(
        "quota-training-job-instances", "SageMaker instances of one job", _instances_of_a_job
    ),
    quota_check(
        "quota-training-instances-in-all", "SageMaker instances of all jobs", _instances_of_all_jobs
    ),
    quota_check(
        "quota-slurm-clusters",
        "PCS clusters of the Region",
        _one(quotas.PCS_CLUSTERS, "the cluster", clusters_of_others, _why_no_slurm),
    ),
)
