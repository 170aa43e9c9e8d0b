"""Random environments that can work, for tests of specs and of everything built from them.

`environments()` draws whole ones; its parts are useful alone. What is drawn is valid by the
arithmetic written here, not by asking the specs, so that a spec that refuses too much is found.
"""

from typing import Final, Literal

from hypothesis import strategies as st

from tests.spec.budgets import LOGIN_TYPES, TOLD
from ultracluster.catalogue import instances
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import EVERY_EVENT, DataRepositorySpec, LustreSpec
from ultracluster.spec.network import (
    INTERFACE_ENDPOINTS,
    ExistingNetworkSpec,
    ExistingSubnetSpec,
    NetworkSpec,
)
from ultracluster.spec.nodes import (
    CapacityBlockSpec,
    CapacityReservationSpec,
    NodesSpec,
)
from ultracluster.spec.slurm import QueueSpec, SlurmSpec
from ultracluster.spec.users import HomeStorageSpec

ON_DEMAND_TYPES: Final = tuple(
    name
    for name in instances.names()
    if instances.find(name).on_demand and instances.find(name).availability_zone_ids
)
"""Types that somebody can have: sold on demand in a zone that is known."""

MOST_NODES: Final = 300
SLURM_SIZES: Final[dict[Literal["SMALL", "MEDIUM", "LARGE"], int]] = {
    "SMALL": 32,
    "MEDIUM": 512,
    "LARGE": 2048,
}
WITHOUT_PCS: Final = {"us-west-1", "il-central-1", "me-central-1", "eu-central-2", "ap-east-1"}
Deployment = Literal["SCRATCH_1", "SCRATCH_2", "PERSISTENT_1", "PERSISTENT_2"]
Storage = Literal["SSD", "HDD", "INTELLIGENT_TIERING"]
KINDS: Final[tuple[tuple[Deployment, Storage], ...]] = (
    ("SCRATCH_1", "SSD"),
    ("SCRATCH_2", "SSD"),
    ("PERSISTENT_1", "SSD"),
    ("PERSISTENT_1", "HDD"),
    ("PERSISTENT_2", "SSD"),
    ("PERSISTENT_2", "INTELLIGENT_TIERING"),
)
IOPS: Final[tuple[int | Literal["AUTOMATIC"] | None, ...]] = (
    *(None, "AUTOMATIC"),
    *(1500, 3000, 6000, 12000, 96000, 192000),
)
TIERS: Final = {
    ("PERSISTENT_1", "SSD"): (50, 100, 200),
    ("PERSISTENT_2", "SSD"): (125, 250, 500, 1000),
}
HDD_STEPS: Final[dict[int | None, int]] = {12: 6000, 40: 1800}
EFA_STEPS: Final[dict[int | None, int]] = {125: 38400, 250: 19200, 500: 9600, 1000: 4800}
ENI_GIB: Final = 1200

names = st.from_regex(r"[a-z]([a-z0-9]|-[a-z0-9]){0,10}", fullmatch=True)
ids = st.text("0123456789abcdef", min_size=17, max_size=17)
reservation_ids = ids.map("cr-{}".format)


@st.composite
def nodes(draw: st.DrawFn, instance_type: str | None = None) -> NodesSpec:
    """Draw nodes of any type, layout and kind of capacity."""
    name = instance_type or draw(st.sampled_from(ON_DEMAND_TYPES))
    instance = instances.find(name)
    kinds = ["on demand", "made", "found"] + ["block"] * instance.capacity_blocks
    kind = draw(st.sampled_from(kinds))
    return NodesSpec(
        instance_type=name,
        count=draw(st.integers(1, 64 if kind == "block" else MOST_NODES)),
        interface_layout=draw(st.sampled_from(["one-address", "address-per-card"])),
        image=f"ami-{draw(ids)}",
        threads_per_core=draw(st.sampled_from([None, *instance.threads_per_core])),
        root_volume_gib=draw(st.integers(50, 16384)),
        placement_group=kind == "made" or (kind == "on demand" and draw(st.booleans())),
        capacity_reservation=(
            CapacityReservationSpec(
                capacity_reservation_id=draw(reservation_ids) if kind == "found" else None
            )
            if kind in {"made", "found"}
            else None
        ),
        capacity_block=(
            CapacityBlockSpec(capacity_reservation_id=draw(reservation_ids))
            if kind == "block"
            else None
        ),
    )


@st.composite
def repositories(draw: st.DrawFn) -> tuple[DataRepositorySpec, ...]:
    """Draw up to eight data repositories that do not overlap."""
    buckets = st.none() | st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
    events = st.lists(st.sampled_from(EVERY_EVENT), unique=True).map(tuple)
    return tuple(
        DataRepositorySpec(
            file_system_path=f"/{name}",
            prefix=f"{name}/",
            bucket_name=draw(buckets),
            auto_import=draw(events),
            auto_export=draw(events),
        )
        for name in draw(st.lists(names, max_size=8, unique=True))
    )


@st.composite
def lustre(draw: st.DrawFn, *, over_efa: bool = True) -> LustreSpec:
    """Draw a file system of any kind that FSx sells, over EFA only where that is allowed."""
    deployment, storage = draw(st.sampled_from(KINDS))
    persistent, tiering = deployment.startswith("PERSISTENT"), storage == "INTELLIGENT_TIERING"
    tiers = (12, 40) if storage == "HDD" else TIERS.get((deployment, storage), (None,))
    tier = draw(st.sampled_from(tiers))
    efa = over_efa and deployment == "PERSISTENT_2" and draw(st.booleans())
    step = 3600 if deployment == "SCRATCH_1" else 2400
    small = [1200, 2400]
    if storage == "HDD":
        step, small = HDD_STEPS[tier], []
    if efa and not tiering:
        step, small = EFA_STEPS[tier], []
    sizes = st.sampled_from([*small, *(step * n for n in range(1, 5))])
    iops = st.sampled_from(IOPS)
    if efa:
        iops = iops.filter(bool)
    if tiering:
        iops = st.sampled_from(IOPS).filter(lambda value: value in {6000, 12000})
    metadata = draw(iops) if deployment == "PERSISTENT_2" else None
    links = draw(repositories()) if deployment != "SCRATCH_1" and not tiering else ()
    return LustreSpec(
        deployment_type=deployment,
        storage_type=storage,
        capacity_gib=None if tiering else draw(sizes),
        per_unit_storage_throughput=tier,
        throughput_capacity_mbps=4000 * draw(st.integers(1, 500)) if tiering else None,
        drive_cache_type=draw(st.sampled_from(["NONE", "READ"])) if storage == "HDD" else None,
        data_read_cache=(
            draw(st.sampled_from(["NO_CACHE", "PROPORTIONAL_TO_THROUGHPUT_CAPACITY"]))
            if tiering
            else None
        ),
        data_compression_type=draw(st.sampled_from(["NONE", "LZ4"])),
        metadata_iops=metadata,
        efa_enabled=efa,
        automatic_backup_retention_days=(
            draw(st.integers(0, 90)) if persistent and not links else 0
        ),
        weekly_maintenance_start_time=(
            f"{draw(st.integers(1, 7))}:{draw(st.integers(0, 23)):02}:{draw(st.integers(0, 59)):02}"
        ),
        customer_key=persistent and draw(st.booleans()),
        data_repositories=links,
        keep_data=draw(st.booleans()),
    )


def addresses_needed(
    spec: NodesSpec, storage: LustreSpec, jobs: int, endpoints: int, cards: int
) -> int:
    """Return how many addresses of the training subnets an environment takes."""
    per_node = 1 if spec.interface_layout == "one-address" else cards
    servers = -(-(storage.capacity_gib or 0) // ENI_GIB) + 2
    return spec.count * per_node + 5 * jobs + servers + endpoints


def slurm_addresses(slurm: SlurmSpec | None) -> int:
    """Return what Slurm takes of them beside the nodes: its controller and login nodes."""
    if slurm is None:
        return 0
    homes = 0 if slurm.home_storage is None else 1
    return 1 + homes + (slurm.login_nodes if slurm.login_instance_type else 0)


def smallest_prefix(addresses: int) -> int:
    """Return the smallest subnet, /28 to /16, whose addresses less AWS's five are enough."""
    return next(prefix for prefix in range(28, 15, -1) if 2 ** (32 - prefix) - 5 >= addresses)


def card_count(instance_type: str) -> int:
    """Return how many interfaces with an address the classic layout has: one a card."""
    return instances.find(instance_type).network_cards.count


@st.composite
def slurms(draw: st.DrawFn, nodes: int) -> SlurmSpec:
    """Draw Slurm for so many nodes, with an image that fits any login node."""
    login = draw(st.integers(0, 8))
    fitting = [size for size, most in SLURM_SIZES.items() if most >= nodes + login]
    return SlurmSpec(
        version=draw(st.sampled_from(["24.11", "25.05", "25.11", "26.05"])),
        size=draw(st.sampled_from([None, *fitting])),
        queues=(QueueSpec(name=draw(st.from_regex(r"[a-z][a-z0-9-]{2,24}", fullmatch=True))),),
        least_nodes=draw(st.none() | st.integers(0, nodes)),
        idle_seconds=draw(st.integers(60, 86400)),
        accounting_days=draw(st.none() | st.just(-1) | st.integers(1, 10000)),
        login_instance_type=draw(st.sampled_from(LOGIN_TYPES)) if login else None,
        login_nodes=max(login, 1),
        home_storage=draw(
            st.none()
            | st.builds(HomeStorageSpec, expected_gb=st.integers(1, 9999), backups=st.booleans())
        ),
    )


@st.composite
def environments(draw: st.DrawFn, instance_type: str | None = None) -> EnvironmentSpec:
    """Draw an environment that can work, its first training subnet just large enough for all."""
    spec = draw(nodes(instance_type))
    instance = instances.find(spec.instance_type)
    sold = instance.availability_zone_ids or {}
    region = draw(st.sampled_from(sorted(sold)))
    slurm = None
    if region not in WITHOUT_PCS and draw(st.booleans()):
        slurm = draw(slurms(spec.count))
        # PCS takes an address on every card, and an image with its agent.
        fitting = {"interface_layout": "address-per-card", "image": f"ami-{draw(ids)}"}
        spec = spec.model_copy(update=fitting)
    zone = draw(st.sampled_from(sold[region]))
    storage = draw(lustre(over_efa=instance.lustre_over_efa is True))
    trains = instance.sagemaker_training_type is not None
    jobs = draw(st.integers(0, MOST_NODES)) if trains else 0
    second = draw(st.integers(0, 255))
    more = draw(st.integers(0, 2))
    own, closed = draw(st.booleans()), draw(st.booleans())
    endpoints = (
        INTERFACE_ENDPOINTS
        if own and closed
        else tuple(draw(st.lists(st.sampled_from(INTERFACE_ENDPOINTS), unique=True)))
    )
    if slurm is not None and own and closed:
        endpoints = (*endpoints, "pcs")
    needed = addresses_needed(spec, storage, jobs, len(endpoints), card_count(spec.instance_type))
    needed += slurm_addresses(slurm)
    blocks = (
        f"10.{second}.0.0/{smallest_prefix(needed)}",
        *(f"10.{second}.{128 + n}.0/24" for n in range(more)),
    )
    network: NetworkSpec | ExistingNetworkSpec
    if own:
        network = NetworkSpec(
            cidr=f"10.{second}.0.0/16",
            training_subnet_cidrs=blocks,
            public_subnet_cidr=None if closed else f"10.{second}.240.0/28",
            interface_endpoints=endpoints,
            flow_log_retention_days=draw(st.sampled_from([1, 30, 365])),
        )
    else:
        network = ExistingNetworkSpec(
            vpc_id=f"vpc-{draw(ids)}",
            cidr=f"10.{second}.0.0/16",
            training_subnets=tuple(
                ExistingSubnetSpec(
                    subnet_id=f"subnet-{number}", cidr=cidr, availability_zone_id=zone
                )
                for cidr, number in zip(
                    blocks,
                    draw(st.lists(ids, min_size=len(blocks), max_size=len(blocks), unique=True)),
                    strict=True,
                )
            ),
            interface_endpoints=endpoints,
        )
    return EnvironmentSpec(
        name=draw(names),
        region=region,
        availability_zone_id=zone,
        network=network,
        nodes=spec,
        storage=storage,
        sagemaker=SageMakerSpec(instances=jobs),
        budget=TOLD,
        slurm=slurm,
        termination_protection=storage.keep_data and draw(st.booleans()),
    )
