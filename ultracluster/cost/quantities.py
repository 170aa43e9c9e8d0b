"""The billed quantities of an environment, at full size and idle.

Full size is every node and every SageMaker instance at the same time: the environment admits
both at once, and a ceiling that a user can pass by using what is there would be none. What no
field says (traffic, log volume, data in S3) is an assumption, and the quantity carries it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ultracluster.catalogue import prices
from ultracluster.cost.sheet import Quantity, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ultracluster.spec.environment import EnvironmentSpec
    from ultracluster.spec.lustre import LustreSpec
    from ultracluster.spec.network import ExistingNetworkSpec, NetworkSpec
    from ultracluster.spec.node_groups import AcceleratedGroupSpec, CpuGroupSpec
    from ultracluster.spec.nodes import NodesSpec
    from ultracluster.spec.slurm import SlurmSpec

NONE: Final = Decimal(0)

# Traffic of a node or SageMaker instance, in GB a month: assumptions of this project (2026-11-24),
# to be replaced by what Cost Explorer shows after a week. Data and image layers come through the
# S3 gateway endpoint and from Lustre, which charge no traffic.
NAT_GB_PER_NODE: Final = 30
ENDPOINT_GB_PER_NODE: Final = 30
FLOW_LOG_GB_PER_NODE: Final = 3
DAYS: Final = 30
"""Days that a month of traffic is spread over, to tell what so many days of logs hold."""

HOMES_READ_GB_PER_NODE: Final = 30
HOMES_WRITTEN_GB_PER_NODE: Final = 3

SERIES_PER_GPU: Final = 16
SERIES_PER_EFA_DEVICE: Final = 12
SERIES_PER_NODE: Final = 30
"""What a node's program serves (constructs_lib/boot/node/metrics.py), with a job of a rank for each
GPU; tests/observe holds it against the program."""
BYTES_PER_SAMPLE: Final = 350
"""Name, labels and resource attributes, time and value, as CloudWatch counts them (user guide, OTel
metrics pricing, read 2026-11-27): 200 of ours, the others an assumption."""
SECONDS_PER_MONTH: Final = 730 * 3600

DATA_GB_WITHOUT_LINK: Final = 100
"""GB assumed in the data bucket where the file system is not linked to it: job outputs."""
TIERING_GB_PER_MBPS: Final = 25
"""GB assumed in an Intelligent-Tiering file system for each MB/s bought: 100 TB at 4,000 MB/s."""
CACHE_GIB_PER_MBPS: Final = Decimal(131072) / 4000
"""Largest SSD read cache: 131,072 GiB for every 4,000 MB/s (FSx API, LustreReadCacheConfiguration,
botocore 1.44.5). How large a proportional one is stands nowhere; UNVERIFIED (2026-11-24)."""
HDD_CACHE_SHARE: Final = Decimal("0.2")
"""SSD cache in front of HDD: 20 % of the capacity (aws.amazon.com/fsx/lustre/pricing, stored copy
read 2026-11-24)."""
KEYS: Final = 2
"""One key for the log groups, one for the data."""

NOT_COUNTED: Final = (
    "data transfer out of the Region and between zones",
    "requests to S3, KMS and ECR; ECR image storage; rotated key material",
    "logs other than flow logs; CloudWatch's alarms and queries",
    "SageMaker's own storage volumes",
    "builds of an image of one's own: an instance for an hour each, and the image's snapshot",
    "what no charge is known of: AWS Budgets, gateway endpoints, placement groups, EFA",
    "taxes, support plans, discounts and free tiers",
)
"""What a sheet leaves out; small against nodes and storage, or nothing that a spec tells of."""


def bill(environment: EnvironmentSpec) -> tuple[Quantity, ...]:
    """Return the bill of quantities of an environment, nodes first."""
    nodes, jobs, slurm = environment.nodes, environment.sagemaker.instances, environment.slurm
    groups = () if slurm is None else slurm.node_groups
    busy = nodes.total + sum(group.total for group in groups) + jobs
    return (
        *node_quantities(nodes, least_nodes=_always(slurm, nodes)),
        *(quantity for group in groups for quantity in group_quantities(group)),
        *(() if slurm is None else slurm_quantities(slurm, nodes)),
        *sagemaker_quantities(nodes, jobs),
        *lustre_quantities(environment.storage),
        *bucket_quantities(environment.storage),
        *(() if slurm is None else home_quantities(slurm, busy - jobs)),
        *network_quantities(environment.network, busy),
        *metrics_quantities(environment),
        kept(prices.KMS_KEY, KEYS, "keys of log groups and of data"),
    )


def metrics_quantities(environment: EnvironmentSpec) -> Iterator[Quantity]:
    """Yield the metrics of all nodes, busy or not."""
    if environment.observability is None:
        return
    slurm = environment.slurm
    plain = 0 if slurm is None else slurm.login_instances + sum(g.total for g in slurm.cpu)
    series = plain * SERIES_PER_NODE
    for nodes in environment.fabrics().values():
        series += nodes.total * node_series(nodes)
    always = _always(slurm, environment.nodes) * node_series(environment.nodes)
    samples = Decimal(SECONDS_PER_MONTH) / environment.observability.every_seconds
    gb = samples * BYTES_PER_SAMPLE / 10**9
    how = f"{series:,} series every {environment.observability.every_seconds} s, "
    how += f"{BYTES_PER_SAMPLE} bytes a sample assumed"
    full, idle = round(series * gb, 0), round(always * gb, 0)
    yield Quantity(prices.METRICS_INGESTED, full, idle, "metrics of nodes", how)


def node_series(nodes: NodesSpec) -> int:
    """Return how many series one accelerated node has."""
    # Imported here, as everything that needs pydantic.
    from ultracluster.catalogue.interfaces import layout  # noqa: PLC0415

    cards = sum(e.carries_fabric for e in layout(nodes.instance, nodes.interface_layout))
    gpus = nodes.instance.accelerator.count
    return SERIES_PER_NODE + gpus * SERIES_PER_GPU + cards * SERIES_PER_EFA_DEVICE


def node_quantities(
    nodes: NodesSpec, *, least_nodes: int = 0, name: str = "nodes"
) -> Iterator[Quantity]:
    """Yield nodes by the way they are paid for, and their root volumes."""
    count = nodes.total
    if nodes.capacity_block is not None:
        paid = "a Capacity Block is paid in advance, used or not"
        yield kept(prices.capacity_block(nodes.instance_type), count, name, paid)
    elif nodes.capacity_reservation is not None:
        paid = "a capacity reservation is charged as if its instances ran, used or not"
        yield kept(prices.on_demand(nodes.instance_type), count, f"{name}, reserved", paid)
    else:
        yield _on_demand(nodes.instance_type, nodes.total, least_nodes, name)
    yield _root_volumes(nodes.root_volume_gib, nodes.total, least_nodes, name)


def group_quantities(group: AcceleratedGroupSpec | CpuGroupSpec) -> Iterator[Quantity]:
    """Yield the nodes of one of Slurm's further groups."""
    # Imported here, as everything that needs pydantic.
    from ultracluster.spec.node_groups import CpuGroupSpec  # noqa: PLC0415

    name, least = f"nodes of group {group.name}", min(group.least_nodes, group.total)
    if isinstance(group, CpuGroupSpec):
        yield _on_demand(group.instance_type, group.total, least, name)
        yield _root_volumes(group.root_volume_gib, group.total, least, name)
    else:
        yield from node_quantities(group, least_nodes=least, name=name)


def _on_demand(instance_type: str, count: int, least: int, name: str) -> Quantity:
    idle = f"idle: scaled to {least or 'zero'}"
    return Quantity(prices.on_demand(instance_type), Decimal(count), Decimal(least), name, idle)


def _root_volumes(gib: int, count: int, least: int, name: str) -> Quantity:
    purpose = "root volumes" if name == "nodes" else f"root volumes of {name}"
    ends = "they end with their nodes"
    return Quantity(prices.GP3_STORAGE, Decimal(count * gib), Decimal(least * gib), purpose, ends)


def sagemaker_quantities(nodes: NodesSpec, instances: int) -> Iterator[Quantity]:
    ml_type = nodes.instance.sagemaker_training_type
    if instances and ml_type is not None:
        item, purpose = prices.sagemaker_training(ml_type), "SageMaker training jobs"
        when = "at the same time as all nodes; idle: no job runs"
        yield Quantity(item, Decimal(instances), NONE, purpose, when)


def lustre_quantities(storage: LustreSpec) -> Iterator[Quantity]:
    """Yield what is bought of FSx, all of it charged whether anybody reads or not."""
    if storage.storage_type == "INTELLIGENT_TIERING":
        throughput = storage.throughput_capacity_mbps or 0
        yield kept(prices.LUSTRE_TIERING_THROUGHPUT, throughput, "Lustre throughput")
        item = prices.lustre_storage(storage.deployment_type, storage.storage_type, None)
        grows = f"it grows with its data; {TIERING_GB_PER_MBPS} GB for each MB/s assumed"
        yield kept(item, throughput * TIERING_GB_PER_MBPS, "Lustre storage", grows)
        if storage.data_read_cache == "PROPORTIONAL_TO_THROUGHPUT_CAPACITY":
            cache = throughput * CACHE_GIB_PER_MBPS
            bound = "the largest that there is; an upper bound"
            yield kept(prices.LUSTRE_READ_CACHE, cache, "Lustre read cache", bound)
    else:
        capacity = storage.capacity_gib or 0
        tier = storage.per_unit_storage_throughput
        item = prices.lustre_storage(storage.deployment_type, storage.storage_type, tier)
        yield kept(item, capacity, "Lustre storage")
        if storage.drive_cache_type == "READ":
            yield kept(prices.LUSTRE_HDD_CACHE, capacity * HDD_CACHE_SHARE, "Lustre read cache")
    if isinstance(iops := storage.metadata_iops, int):
        bound = "all of them charged; an upper bound, some may be included"
        yield kept(prices.LUSTRE_METADATA_IOPS, iops, "Lustre metadata", bound)
    if storage.automatic_backup_retention_days:
        copies, gib = "one full copy; later ones are incremental", storage.capacity_gib or 0
        yield kept(prices.LUSTRE_BACKUP, gib, "Lustre backups", copies)


def bucket_quantities(storage: LustreSpec) -> Iterator[Quantity]:
    """Yield what lies in the data bucket."""
    linked = any(repository.bucket_name is None for repository in storage.data_repositories)
    if linked and storage.capacity_gib is not None:
        assumption = "as much as the file system holds, which is linked to it"
        yield kept(prices.S3_STORAGE, storage.capacity_gib, "data bucket", assumption)
        if any(each.auto_export for each in storage.data_repositories if not each.bucket_name):
            yield old_versions(storage)
    else:
        assumption = f"{DATA_GB_WITHOUT_LINK} GB of job outputs assumed"
        yield kept(prices.S3_STORAGE, DATA_GB_WITHOUT_LINK, "data bucket", assumption)


def old_versions(storage: LustreSpec) -> Quantity:
    """Return what exports have overwritten or deleted, and the versioned bucket still holds."""
    given, days = storage.exported_gb_per_day, storage.noncurrent_days
    a_day = (storage.capacity_gib or 0) if given is None else given
    how = f"{a_day:,} GB a day written and superseded, kept {days} days"
    if given is None:
        how += "; the file system's capacity once a day assumed"
    purpose = "old versions in the data bucket"
    return Quantity(prices.S3_STORAGE, Decimal(a_day * days), NONE, purpose, how)


def home_quantities(slurm: SlurmSpec, nodes: int) -> Iterator[Quantity]:
    """Yield homes on EFS, which charges what they hold and what is read and written."""
    if (spec := slurm.home_storage) is None:
        return
    bound = "all of it read every 30 days; an upper bound"
    yield kept(prices.HOMES_STORAGE, spec.expected_gb, "homes", bound)
    yield _traffic(prices.HOMES_READ, nodes, HOMES_READ_GB_PER_NODE, "homes, read", "node")
    yield _traffic(prices.HOMES_WRITTEN, nodes, HOMES_WRITTEN_GB_PER_NODE, "homes, written", "node")
    if spec.backups:
        copies = "one full copy; later ones are incremental"
        yield kept(prices.HOMES_BACKUP, spec.expected_gb, "backups of homes", copies)


def network_quantities(network: NetworkSpec | ExistingNetworkSpec, busy: int) -> Iterator[Quantity]:
    """Yield NAT, endpoints and flow logs; traffic grows with the nodes and instances at work."""
    # Imported here: the planner, which counts the same, does not wait for pydantic.
    from ultracluster.spec.network import NetworkSpec  # noqa: PLC0415

    if isinstance(network, NetworkSpec) and network.public_subnet_cidr is not None:
        yield kept(prices.NAT_GATEWAY, 1, "NAT gateway")
        yield kept(prices.PUBLIC_ADDRESS, 1, "address of the NAT gateway")
        yield _traffic(prices.NAT_DATA, busy, NAT_GB_PER_NODE, "traffic through NAT")
    if network.interface_endpoints:
        # They are in the first training subnet alone, so in one zone each.
        count = len(network.interface_endpoints)
        yield kept(prices.ENDPOINT, count, "interface endpoints, in one zone")
        yield _traffic(prices.ENDPOINT_DATA, busy, ENDPOINT_GB_PER_NODE, "traffic to endpoints")
    if isinstance(network, NetworkSpec):
        yield _traffic(prices.LOGS_INGESTED, busy, FLOW_LOG_GB_PER_NODE, "flow logs")
        days = network.flow_log_retention_days
        held = Decimal(busy * FLOW_LOG_GB_PER_NODE * days) / DAYS
        purpose = f"flow logs, kept {days} days"
        yield Quantity(prices.LOGS_STORED, held, NONE, purpose, "uncompressed: an upper bound")


def slurm_quantities(slurm: SlurmSpec, nodes: NodesSpec) -> Iterator[Quantity]:
    """Yield what AWS PCS and login nodes add to the compute nodes.

    What PCS charges for (controller, managed instances, accounting) is known; its prices are not
    (2026-11-24), so that an environment with Slurm states them.
    """
    size, login = slurm.cluster_size(nodes.total), slurm.login_instances
    login_type = slurm.sound_login_type
    yield kept(prices.slurm_controller(size), 1, "Slurm controller")
    least = sum(min(group.least_nodes, group.total) for group in slurm.node_groups)
    managed, always = slurm.instances(nodes.total), _always(slurm, nodes) + least + login
    purpose = "instances that PCS manages"
    yield Quantity(prices.slurm_node(size), Decimal(managed), Decimal(always), purpose)
    if slurm.accounting_days is not None:
        yield kept(prices.slurm_accounting(size), 1, "Slurm accounting")
    if login_type is not None and login:
        yield kept(prices.on_demand(login_type), login, "login nodes")
        volumes = login * nodes.root_volume_gib
        yield kept(prices.GP3_STORAGE, volumes, "root volumes of login nodes")


def _always(slurm: SlurmSpec | None, nodes: NodesSpec) -> int:
    """Return how many nodes run without a job; a spec that asks for more than all is refused."""
    return 0 if slurm is None else min(slurm.always_running(nodes), nodes.total)


def _traffic(
    item: prices.Item, busy: int, each: int, purpose: str, of: str = "node and job instance"
) -> Quantity:
    assumption = f"{each} GB a month assumed for each {of}"
    return Quantity(item, Decimal(busy * each), NONE, purpose, assumption)
