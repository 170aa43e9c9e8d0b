"""Which FSx for Lustre file systems AWS accepts, as rules over CloudFormation properties.

The rules are stated over CloudFormation properties, so that specs, the rehearsal's emulator and
any template are judged by the same lines. What FSx sells is `lustre.json`, made of botocore's and
the registry's property documentation, and of the FSx for Lustre User Guide (read 2026-11-23).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue.values import table, written_number
from ultracluster.problem import MISSING, Problem, choices

MOST_BACKUP_DAYS: Final = 90
PORTS: Final = ((988, 988), (1018, 1023))
"""TCP port ranges between clients and file servers, both ways (FSx guide, 2026-11-23)."""
EVERY_PORT: Final = [port for first, last in PORTS for port in range(first, last + 1)]
LOG_GROUP_PREFIX: Final = "/aws/fsx/"
GIB_PER_SERVER: Final = 1200
METADATA_SERVERS: Final = 2
DAILY: Final = r"([01]\d|2[0-3]):[0-5]\d"
TIMES: Final = {
    "WeeklyMaintenanceStartTime": (
        re.compile(rf"[1-7]:{DAILY}"),
        'day (1 = Monday to 7) and time as d:HH:MM, for example "7:03:00"',
    ),
    "DailyAutomaticBackupStartTime": (re.compile(DAILY), 'a time as HH:MM, for example "03:00"'),
}
"""FSx WeeklyTime and DailyTime (botocore 1.43.106)."""

NEEDED_BY: Final = {
    "HDD": "; HDD needs PERSISTENT_1",
    "INTELLIGENT_TIERING": "; Intelligent-Tiering needs PERSISTENT_2",
}

STEP_FIELD: Final = "StorageCapacity"
METADATA: Final = "LustreConfiguration.MetadataConfiguration"
THROUGHPUT: Final = "LustreConfiguration.PerUnitStorageThroughput"

Values = Mapping[str, Any]
"""Properties of CloudFormation."""


def problems(properties: Values) -> Iterator[Problem]:
    """Yield what FSx would refuse in the properties of a Lustre `AWS::FSx::FileSystem`.

    A value that is no plain text, number or boolean (an unresolved reference) is left alone.
    """
    configuration: Values = properties.get("LustreConfiguration") or {}
    deployment = configuration.get("DeploymentType", "SCRATCH_1")
    if not isinstance(deployment, str):
        return
    rules = table("lustre")["deployment_types"].get(deployment)
    if rules is None:
        known = choices(list(table("lustre")["deployment_types"]))
        yield Problem("LustreConfiguration.DeploymentType", deployment, f"write {known}")
        return
    storage = properties.get("StorageType", "SSD")
    if isinstance(storage, str) and storage not in rules["storage_types"]:
        fix = f"{deployment} takes {choices(rules['storage_types'])}"
        yield Problem("StorageType", storage, fix + NEEDED_BY.get(storage, ""))
    elif storage == "INTELLIGENT_TIERING":
        yield from _intelligent_tiering(properties, configuration)
    elif storage == "HDD":
        yield from _hdd(properties, configuration)
    elif isinstance(storage, str):
        yield from _ssd(deployment, properties, configuration)
    yield from _misplaced(storage, configuration)
    yield from _metadata(deployment, storage, configuration)
    yield from _protection(deployment, properties, configuration)
    yield from _efa(deployment, properties, configuration)
    yield from _version(deployment, properties, configuration)
    yield from _placement(properties, configuration)
    for name, (form, example) in TIMES.items():
        time = configuration.get(name)
        if isinstance(time, str | int) and not form.fullmatch(str(time)):
            yield Problem(f"LustreConfiguration.{name}", time, f"write {example}")


def server_addresses(gib: int) -> int:
    """Return how many addresses of a subnet the servers of a file system take.

    FSx puts a network interface of each into the subnet. How many there are is not documented; one
    for each 1,200 GiB and two for metadata is this project's cautious assumption, UNVERIFIED
    (2026-11-23).
    """
    return -(-gib // GIB_PER_SERVER) + METADATA_SERVERS


def _capacity(capacity: object, allowed: Sequence[int], step: int) -> Iterator[Problem]:
    """Yield a problem where a capacity in GiB is not one of the allowed or a multiple of a step."""
    capacity = written_number(capacity)
    if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity in allowed:
        return
    if capacity > 0 and capacity % step == 0:
        return
    steps = f"{choices(allowed)}, or a multiple" if allowed else "a multiple"
    below = max([a for a in allowed if a < capacity] + [capacity // step * step])
    above = min([a for a in allowed if a > capacity] + [(max(capacity, 0) // step + 1) * step])
    nearest = f"{below} or {above}" if below > 0 else f"{above}"
    yield Problem(STEP_FIELD, capacity, f"the size is {steps} of {step} GiB; write {nearest}")


def _ssd(deployment: str, properties: Values, configuration: Values) -> Iterator[Problem]:
    rules = table("lustre")["deployment_types"][deployment]
    tiers = rules.get("SSD", {}).get("per_unit_throughput")
    steps = rules.get("capacity_gib") or rules["SSD"]["capacity_gib"]
    given = written_number(configuration.get("PerUnitStorageThroughput"))
    if tiers is None and given is not None:
        yield Problem(THROUGHPUT, given, f"{deployment} has a fixed throughput; remove it")
    elif tiers is not None and given is None:
        yield Problem(THROUGHPUT, MISSING, f"{deployment} needs one of {choices(tiers)}")
    elif tiers is not None and isinstance(given, int) and given not in tiers:
        nearest = min(tiers, key=lambda tier: (abs(tier - given), tier))
        fix = f"{deployment} is sold at {choices(tiers)} MB/s per TiB; write {nearest}"
        yield Problem(THROUGHPUT, given, fix)
    allowed, step = steps["allowed"], steps["then_multiple_of"]
    efa_steps = rules.get("SSD", {}).get("efa_capacity_multiple_of_gib", {})
    if configuration.get("EfaEnabled") is True and str(given) in efa_steps:
        allowed, step = (), efa_steps[str(given)]
    if properties.get(STEP_FIELD) is None:
        fix = f"{deployment} SSD needs a capacity; write {min([*allowed, step])}"
        yield Problem(STEP_FIELD, MISSING, fix)
    else:
        yield from _capacity(properties[STEP_FIELD], allowed, step)


def _misplaced(storage: object, configuration: Values) -> Iterator[Problem]:
    """Yield what belongs to another storage type (botocore's property documentation)."""
    for name, owner in (
        ("DriveCacheType", "HDD"),
        ("ThroughputCapacity", "INTELLIGENT_TIERING"),
        ("DataReadCacheConfiguration", "INTELLIGENT_TIERING"),
    ):
        given = configuration.get(name)
        if given is not None and isinstance(storage, str) and storage != owner:
            fix = f"only {owner} takes it; remove it"
            yield Problem(f"LustreConfiguration.{name}", given, fix)


def _hdd(properties: Values, configuration: Values) -> Iterator[Problem]:
    rules = table("lustre")["deployment_types"]["PERSISTENT_1"]["HDD"]
    tiers = [int(tier) for tier in rules["per_unit_throughput"]]
    given = written_number(configuration.get("PerUnitStorageThroughput"))
    if given is None or (isinstance(given, int) and given not in tiers):
        fix = f"PERSISTENT_1 HDD is sold at {choices(tiers)} MB/s per TiB"
        yield Problem(THROUGHPUT, MISSING if given is None else given, f"{fix}; write one of these")
    step = rules["per_unit_throughput"].get(str(given), {}).get("multiple_of")
    if properties.get(STEP_FIELD) is None:
        fix = f"PERSISTENT_1 HDD needs a capacity; write {step or 'a multiple of 18000'}"
        yield Problem(STEP_FIELD, MISSING, fix)
    elif step is not None:
        yield from _capacity(properties[STEP_FIELD], (), step)
    cache_type = configuration.get("DriveCacheType")
    if cache_type is None or (isinstance(cache_type, str) and cache_type not in ("NONE", "READ")):
        got = MISSING if cache_type is None else cache_type
        fix = "HDD needs it; write NONE or READ"
        yield Problem("LustreConfiguration.DriveCacheType", got, fix)


def _intelligent_tiering(properties: Values, configuration: Values) -> Iterator[Problem]:
    rules = table("lustre")["deployment_types"]["PERSISTENT_2"]["INTELLIGENT_TIERING"]
    step = rules["throughput_capacity_multiple_of_mbps"]
    most = rules["throughput_capacity_max_mbps"]
    if (given := properties.get(STEP_FIELD)) is not None:
        yield Problem(STEP_FIELD, given, "INTELLIGENT_TIERING grows by itself; remove it")
    if configuration.get("PerUnitStorageThroughput") is not None:
        fix = "INTELLIGENT_TIERING has ThroughputCapacity instead; remove it"
        yield Problem(THROUGHPUT, configuration["PerUnitStorageThroughput"], fix)
    field = "LustreConfiguration.ThroughputCapacity"
    throughput = written_number(configuration.get("ThroughputCapacity"))
    if throughput is None:
        yield Problem(field, MISSING, f"INTELLIGENT_TIERING needs it; write {step}")
    elif isinstance(throughput, int) and (throughput % step or not 0 < throughput <= most):
        nearest = min(max(round(throughput / step), 1) * step, most)
        fix = f"it is a multiple of {step} MB/s up to {most}; write {nearest}"
        yield Problem(field, throughput, fix)
    if configuration.get("DataReadCacheConfiguration") is None:
        # USER_PROVISIONED would need a size as well, so that it is no answer by itself.
        modes = choices([mode for mode in rules["sizing_modes"] if mode != "USER_PROVISIONED"])
        fix = f"INTELLIGENT_TIERING needs to know how its cache is sized; write {modes}"
        yield Problem("LustreConfiguration.DataReadCacheConfiguration", MISSING, fix)


def _metadata(deployment: str, storage: object, configuration: Values) -> Iterator[Problem]:
    """Yield what cannot be in a metadata configuration, or why one is needed."""
    metadata = configuration.get("MetadataConfiguration")
    if not isinstance(metadata, Mapping):
        if storage == "INTELLIGENT_TIERING" and deployment == "PERSISTENT_2":
            fix = "INTELLIGENT_TIERING needs USER_PROVISIONED IOPS; write 6000"
            yield Problem(METADATA, MISSING, fix)
        return
    if deployment != "PERSISTENT_2":
        yield Problem(METADATA, dict(metadata), "only PERSISTENT_2 takes it; remove it")
        return
    mode, iops = metadata.get("Mode"), written_number(metadata.get("Iops"))
    tiering = storage == "INTELLIGENT_TIERING"
    if mode == "AUTOMATIC" and tiering:
        fix = "INTELLIGENT_TIERING takes USER_PROVISIONED with 6000 Iops"
        yield Problem(f"{METADATA}.Mode", mode, fix)
    elif mode == "AUTOMATIC" and iops is not None:
        yield Problem(f"{METADATA}.Iops", iops, "AUTOMATIC chooses it; remove it")
    elif mode == "USER_PROVISIONED":
        yield from _iops(iops, tiering=tiering)


def _iops(iops: object, *, tiering: bool) -> Iterator[Problem]:
    allowed = (6000, 12000) if tiering else (1500, 3000, 6000, *range(12000, 192001, 12000))
    if iops is None:
        yield Problem(f"{METADATA}.Iops", MISSING, f"USER_PROVISIONED needs it; write {allowed[0]}")
    elif isinstance(iops, int) and iops not in allowed:
        nearest = min(allowed, key=lambda value: (abs(value - iops), value))
        words = choices(allowed) if tiering else "1500, 3000, 6000 or 12000 to 192000 by 12000"
        yield Problem(f"{METADATA}.Iops", iops, f"it is {words}; write {nearest}")


def _protection(deployment: str, properties: Values, configuration: Values) -> Iterator[Problem]:
    rules = table("lustre")["deployment_types"][deployment]
    days = written_number(configuration.get("AutomaticBackupRetentionDays"))
    field = "LustreConfiguration.AutomaticBackupRetentionDays"
    if isinstance(days, int) and not 0 <= days <= MOST_BACKUP_DAYS:
        yield Problem(field, days, f"write 0 to {MOST_BACKUP_DAYS}")
    elif isinstance(days, int) and days and not rules["backups"]:
        yield Problem(field, days, f"{deployment} has no backups; write 0, or a PERSISTENT type")
    if properties.get("KmsKeyId") is not None and not rules["kms_cmk"]:
        fix = (
            f"{deployment} does not support a customer key; remove it, or choose a PERSISTENT type"
        )
        yield Problem("KmsKeyId", properties["KmsKeyId"], fix)
    if deployment == "PERSISTENT_2":
        for name in ("ImportPath", "ExportPath", "AutoImportPolicy", "ImportedFileChunkSize"):
            if configuration.get(name) is not None:
                fix = "PERSISTENT_2 does not support it; use a data repository association instead"
                yield Problem(f"LustreConfiguration.{name}", configuration[name], fix)


def _efa(deployment: str, properties: Values, configuration: Values) -> Iterator[Problem]:
    if configuration.get("EfaEnabled") is not True:
        return
    field = "LustreConfiguration.EfaEnabled"
    if deployment != "PERSISTENT_2":
        yield Problem(
            field, True, f"{deployment} does not support EFA; remove it, or choose PERSISTENT_2"
        )
        return
    # Intelligent-Tiering needs it with and without EFA, and says so itself.
    tiering = properties.get("StorageType") == "INTELLIGENT_TIERING"
    if configuration.get("MetadataConfiguration") is None and not tiering:
        fix = "an EFA-enabled file system needs it; write Mode AUTOMATIC"
        yield Problem(METADATA, MISSING, fix)


def _version(deployment: str, properties: Values, configuration: Values) -> Iterator[Problem]:
    """Yield a problem where a Lustre version does not go with the rest (botocore 1.44.5)."""
    stated = properties.get("FileSystemTypeVersion")
    version = str(stated) if isinstance(stated, str | int | float) else None
    # YAML reads 2.10 without quotation marks as the number 2.1.
    if version is None or version not in ("2.1", "2.10", "2.12") or deployment != "PERSISTENT_2":
        return
    field = "FileSystemTypeVersion"
    if configuration.get("EfaEnabled") is True:
        yield Problem(field, version, "EFA needs Lustre 2.15; write 2.15")
    elif version != "2.12":
        yield Problem(field, version, "PERSISTENT_2 takes 2.12 or 2.15; write 2.15")
    elif configuration.get("MetadataConfiguration") is not None:
        yield Problem(field, version, "a metadata configuration needs Lustre 2.15; write 2.15")


def _placement(properties: Values, configuration: Values) -> Iterator[Problem]:
    subnets = properties.get("SubnetIds")
    if isinstance(subnets, Sequence) and not isinstance(subnets, str) and len(subnets) != 1:
        fix = "a Lustre file system is in exactly one subnet; write one"
        yield Problem("SubnetIds", f"{len(subnets)} subnets", fix)
    log = configuration.get("LogConfiguration")
    destination = log.get("Destination") if isinstance(log, Mapping) else None
    if isinstance(destination, str) and ":log-group:" in destination:
        name = destination.partition(":log-group:")[2]
        if not name.startswith(LOG_GROUP_PREFIX):
            fix = f"FSx writes only to log groups whose name begins with {LOG_GROUP_PREFIX}"
            yield Problem("LustreConfiguration.LogConfiguration.Destination", name, fix)
