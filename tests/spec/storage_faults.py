"""Single faults of the file system, and of what links it to S3."""

from tests.spec.faults import Fault, fault
from tests.spec.samples import (
    FAST,
    HDD,
    LEFT_OUT,
    LINKED,
    P4D,
    SCRATCH,
    TIERING,
    changed,
    repositories,
)
from ultracluster.problem import MISSING
from ultracluster.spec.lustre import DataRepositorySpec

CAPACITY = "storage.capacity_gib"
THROUGHPUT = "storage.per_unit_storage_throughput"
METADATA = "storage.metadata_iops"
BACKUPS = "storage.automatic_backup_retention_days"
LINKS = "storage.data_repositories"
MBPS = "storage.throughput_capacity_mbps"

P1 = changed(P4D, {"storage.deployment_type": "PERSISTENT_1", THROUGHPUT: 100, METADATA: None})
SCRATCH_1 = changed(SCRATCH, {"storage.deployment_type": "SCRATCH_1"})
SCRATCH_LINKED = changed(SCRATCH, {LINKS: repositories(1)})
KEPT = changed(P4D, {BACKUPS: 7})


def left_out(name, base, field, says, cure, *, changes=None):
    """Return the fault of a field that the rest calls for and that is not given."""
    return Fault(name, base, changes or {field: None}, field, MISSING, says, {field: cure})


CAPACITIES = [
    fault("capacity between steps", P4D, CAPACITY, 1300, "write 1200 or 2400", 1200),
    fault("capacity that is half a step", P4D, CAPACITY, 3600, "write 2400 or 4800", 4800),
    fault("capacity below the smallest", P4D, CAPACITY, 500, "write 1200", 1200),
    fault("capacity of nothing", P4D, CAPACITY, 0, "write more than 0", 1200),
    fault("capacity as text", P4D, CAPACITY, "2400", "write a whole number or None", 2400),
    fault("capacity on PERSISTENT_1", P1, CAPACITY, 1800, "write 1200 or 2400", 2400),
    fault("capacity on SCRATCH_2", SCRATCH, CAPACITY, 6000, "write 4800 or 7200", 7200),
    fault("capacity on SCRATCH_1", SCRATCH_1, CAPACITY, 4800, "write 3600 or 7200", 3600),
    fault("capacity on HDD at 12", HDD, CAPACITY, 7800, "write 6000 or 12000", 12000),
    fault(
        "capacity on HDD at 40",
        HDD,
        CAPACITY,
        6000,
        "write 5400 or 7200",
        7200,
        also={THROUGHPUT: 40},
    ),
    left_out("no capacity on SSD", P4D, CAPACITY, "write 1200", 1200),
    left_out("no capacity on HDD", HDD, CAPACITY, "write 6000", 6000),
    left_out(
        "no capacity on HDD at 40",
        HDD,
        CAPACITY,
        "write 1800",
        1800,
        changes={CAPACITY: None, THROUGHPUT: 40},
    ),
    left_out("no capacity for EFA", FAST, CAPACITY, "write 4800", 4800),
    fault("capacity of Intelligent-Tiering", TIERING, CAPACITY, 2400, "remove it", None),
    fault("capacity for EFA", FAST, CAPACITY, 2400, "write 4800", 4800),
]

THROUGHPUTS = [
    fault("throughput of PERSISTENT_1", P4D, THROUGHPUT, 200, "write 250", 250),
    fault("throughput of nobody", P4D, THROUGHPUT, 333, "write 250", 250),
    fault("throughput of PERSISTENT_2", P1, THROUGHPUT, 125, "write 100", 100),
    fault("throughput of SSD on HDD", HDD, THROUGHPUT, 100, "12 or 40 MB/s", 12),
    fault("throughput of SCRATCH_2", SCRATCH, THROUGHPUT, 200, "remove it", None),
    fault("throughput of SCRATCH_1", SCRATCH_1, THROUGHPUT, 200, "remove it", None),
    left_out("no throughput", P4D, THROUGHPUT, "125, 250, 500 or 1000", 125),
    left_out("no throughput on HDD", HDD, THROUGHPUT, "12 or 40", 12),
    fault("throughput a TiB of Intelligent-Tiering", TIERING, THROUGHPUT, 250, "remove it", None),
    left_out("no throughput of Intelligent-Tiering", TIERING, MBPS, "write 4000", 4000),
    fault("odd throughput of Intelligent-Tiering", TIERING, MBPS, 5000, "write 4000", 4000),
    fault(
        "too much throughput of Intelligent-Tiering",
        TIERING,
        MBPS,
        2_004_000,
        "write 2000000",
        2_000_000,
    ),
    fault("Intelligent-Tiering's throughput on SSD", P4D, MBPS, 4000, "remove it", None),
    fault("Intelligent-Tiering's throughput on HDD", HDD, MBPS, 4000, "remove it", None),
]

KINDS = [
    fault(
        "unknown deployment type",
        P4D,
        "storage.deployment_type",
        "PERSISTENT",
        "'PERSISTENT_2'",
        "PERSISTENT_2",
    ),
    fault("HDD on PERSISTENT_2", P4D, "storage.storage_type", "HDD", "needs PERSISTENT_1", "SSD"),
    fault("HDD on SCRATCH_2", SCRATCH, "storage.storage_type", "HDD", "SCRATCH_2 takes SSD", "SSD"),
    fault(
        "Intelligent-Tiering on PERSISTENT_1",
        P1,
        "storage.storage_type",
        "INTELLIGENT_TIERING",
        "needs PERSISTENT_2",
        "SSD",
    ),
    left_out("HDD without a cache type", HDD, "storage.drive_cache_type", "NONE or READ", "NONE"),
    fault("HDD's cache on SSD", P4D, "storage.drive_cache_type", "READ", "remove it", None),
    left_out(
        "Intelligent-Tiering without a read cache",
        TIERING,
        "storage.data_read_cache",
        "write NO_CACHE or PROPORTIONAL_TO_THROUGHPUT_CAPACITY",
        "PROPORTIONAL_TO_THROUGHPUT_CAPACITY",
    ),
    fault(
        "Intelligent-Tiering's cache on SSD",
        P4D,
        "storage.data_read_cache",
        "NO_CACHE",
        "remove it",
        None,
    ),
    fault("customer key on scratch", SCRATCH, "storage.customer_key", True, "remove it", False),
    fault("backups on scratch", SCRATCH, BACKUPS, 7, "write 0", 0),
    fault("backups for longer than AWS keeps them", P4D, BACKUPS, 91, "write 0 to 90", 90),
    fault("backups for less than nothing", P4D, BACKUPS, -1, "write 0 to 90", 0),
    Fault(
        "EFA on PERSISTENT_1",
        FAST,
        {"storage.deployment_type": "PERSISTENT_1", THROUGHPUT: 100, METADATA: None},
        "storage.efa_enabled",
        True,
        "remove it",
        {"storage.efa_enabled": False},
    ),
    fault(
        "window without a day",
        P4D,
        "storage.weekly_maintenance_start_time",
        "03:00",
        'for example "7:03:00"',
        "7:03:00",
    ),
    Fault(
        "nothing said about keeping data",
        P4D,
        {"storage.keep_data": LEFT_OUT},
        "storage.keep_data",
        MISSING,
        "write keep_data=",
        {"storage.keep_data": True},
    ),
]

METADATAS = [
    fault("metadata IOPS on PERSISTENT_1", P1, METADATA, "AUTOMATIC", "remove it", None),
    fault("metadata IOPS on scratch", SCRATCH, METADATA, 1500, "remove it", None),
    fault("metadata IOPS between steps", P4D, METADATA, 13000, "write 12000", 12000),
    fault("metadata IOPS as a word", P4D, METADATA, "auto", '"AUTOMATIC" or None', "AUTOMATIC"),
    left_out("no metadata IOPS for EFA", FAST, METADATA, "AUTOMATIC", "AUTOMATIC"),
    left_out("no metadata IOPS on Intelligent-Tiering", TIERING, METADATA, "write 6000", 6000),
    Fault(
        "no metadata IOPS on Intelligent-Tiering with EFA",
        changed(TIERING, {"nodes.instance_type": "p5.48xlarge", "storage.efa_enabled": True}),
        {METADATA: None},
        METADATA,
        MISSING,
        "write 6000",
        {METADATA: 6000},
    ),
    fault("automatic on Intelligent-Tiering", TIERING, METADATA, "AUTOMATIC", "6000", 6000),
    fault("SSD's IOPS on Intelligent-Tiering", TIERING, METADATA, 1500, "write 6000", 6000),
]


def linked(*paths: tuple[str, str], bucket: str | None = None):
    """Return data repositories of directories and prefixes."""
    return tuple(
        DataRepositorySpec(file_system_path=path, prefix=prefix, bucket_name=bucket)
        for path, prefix in paths
    )


REPOSITORIES = [
    fault("backups beside data repositories", LINKED, BACKUPS, 7, "write 0", 0),
    fault("backups beside them on scratch", SCRATCH_LINKED, BACKUPS, 7, "write 0", 0),
    Fault(
        "data repositories beside backups",
        KEPT,
        {LINKS: repositories(1)},
        BACKUPS,
        7,
        "write 0",
        {BACKUPS: 0},
    ),
    Fault(
        "nine data repositories",
        P4D,
        {LINKS: repositories(9)},
        LINKS,
        9,
        "at most 8",
        {LINKS: repositories(8)},
    ),
    Fault(
        "the same directory twice",
        P4D,
        {LINKS: linked(("/a", "a/"), ("/a", "b/"))},
        LINKS,
        "/a",
        "a path of its own",
        {LINKS: linked(("/a", "a/"), ("/b", "b/"))},
    ),
    Fault(
        "a directory inside another",
        P4D,
        {LINKS: linked(("/a", "a/"), ("/a/b", "b/"))},
        LINKS,
        "/a/b",
        "overlaps /a",
        {LINKS: linked(("/a", "a/"), ("/ab", "b/"))},
    ),
    Fault(
        "the root beside another directory",
        P4D,
        {LINKS: linked(("/", "a/"), ("/b", "b/"))},
        LINKS,
        "/b",
        "overlaps /",
        {LINKS: linked(("/a", "a/"), ("/b", "b/"))},
    ),
    Fault(
        "a prefix inside another",
        P4D,
        {LINKS: linked(("/a", "a"), ("/b", "a/b/"))},
        LINKS,
        "data bucket/a/b/",
        "a path of its own",
        {LINKS: linked(("/a", "a"), ("/b", "ab/"))},
    ),
    Fault(
        "a prefix of an existing bucket twice",
        P4D,
        {LINKS: linked(("/a", "a/"), ("/b", "a/"), bucket="corpora")},
        LINKS,
        "corpora/a/",
        "a path of its own",
        {LINKS: linked(("/a", "a/"), ("/b", "b/"), bucket="corpora")},
    ),
    Fault(
        "data repositories of SCRATCH_1",
        SCRATCH_1,
        {LINKS: repositories(1)},
        "storage.deployment_type",
        "SCRATCH_1",
        "write SCRATCH_2",
        {"storage.deployment_type": "SCRATCH_2"},
    ),
    fault(
        "path contains . or ..",
        LINKED,
        f"{LINKS}[0].file_system_path",
        "/a/../b",
        'write "/b"',
        "/b",
    ),
    fault("directory without slash", LINKED, f"{LINKS}[0].file_system_path", "a", "/data", "/a"),
    fault("prefix as a URL", LINKED, f"{LINKS}[0].prefix", "s3://b/a/", '"a/"', "a/"),
    fault("prefix with a slash before", LINKED, f"{LINKS}[0].prefix", "/a/", '"a/"', "a/"),
    fault("bucket in capitals", LINKED, f"{LINKS}[0].bucket_name", "Data", "lower-case", "data"),
    fault("bucket with two dots", LINKED, f"{LINKS}[0].bucket_name", "a..b", "single dots", "a.b"),
    fault("bucket like an address", LINKED, f"{LINKS}[0].bucket_name", "10.0.0.1", "3 to 63", None),
    Fault(
        "unknown event",
        LINKED,
        {f"{LINKS}[0].auto_import": ("NEWS",)},
        f"{LINKS}[0].auto_import[0]",
        "NEWS",
        "'NEW'",
        {f"{LINKS}[0].auto_import": ("NEW",)},
    ),
    fault(
        "event listed twice",
        LINKED,
        f"{LINKS}[0].auto_export",
        ("NEW", "NEW"),
        "remove one",
        ("NEW",),
    ),
    fault("a list", P4D, LINKS, [], "a tuple", ()),
]

FAULTS = [*CAPACITIES, *THROUGHPUTS, *KINDS, *METADATAS, *REPOSITORIES]
