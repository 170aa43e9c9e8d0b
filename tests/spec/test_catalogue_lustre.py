"""Which file systems FSx takes: the rules against an oracle written from the facts alone."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracluster.catalogue.lustre import problems
from ultracluster.catalogue.lustre_associations import association_problems

RULES = json.loads((Path(__file__).parents[2] / "facts" / "fsx_lustre_rules.json").read_text())
TYPES = RULES["deployment_types"]
STORAGES = ("SSD", "HDD", "INTELLIGENT_TIERING")
TIERS = (None, 12, 40, 50, 100, 125, 200, 250, 333, 500, 1000)
CAPACITIES = (
    *(None, -2400, 0, 1, 1199, 1200, 1201, 1300, 1800, 2400, 3000, 3600, 4800, 5400, 6000, 7200),
    *(7800, 9600, 10800, 12000, 14400, 18000, 19200, 36000, 38400, 57600, 76800, 100800),
)
SIZED = (
    ("SCRATCH_1", "SSD", None),
    ("SCRATCH_2", "SSD", None),
    ("PERSISTENT_1", "SSD", 100),
    ("PERSISTENT_1", "HDD", 12),
    ("PERSISTENT_1", "HDD", 40),
    ("PERSISTENT_2", "SSD", 250),
)


def file_system(deployment, storage, tier=None, capacity=None, **configuration):
    """Return properties with all that the storage type needs beside tier and capacity."""
    needs: dict[str, dict[str, Any]] = {
        "HDD": {"DriveCacheType": "NONE"},
        "INTELLIGENT_TIERING": {
            "ThroughputCapacity": 8000,
            "DataReadCacheConfiguration": {"SizingMode": "NO_CACHE"},
            "MetadataConfiguration": {"Mode": "USER_PROVISIONED", "Iops": 6000},
        },
    }
    asked: dict[str, Any] = {"DeploymentType": deployment, "PerUnitStorageThroughput": tier}
    asked |= needs.get(storage, {}) | configuration
    return {
        "StorageType": storage,
        **({} if capacity is None else {"StorageCapacity": capacity}),
        "LustreConfiguration": {key: value for key, value in asked.items() if value is not None},
    }


def stepped(capacity, allowed, step):
    return capacity is not None and (capacity in allowed or (capacity > 0 and capacity % step == 0))


def documented(deployment, storage, tier, capacity):
    """Return whether the facts name the combination."""
    rules = TYPES[deployment]
    if storage not in rules["storage_types"]:
        return False
    if storage == "INTELLIGENT_TIERING":
        return tier is None and capacity is None
    if storage == "HDD":
        step = rules["HDD"]["per_unit_throughput"].get(str(tier))
        return step is not None and stepped(capacity, (), step["multiple_of"])
    steps = rules.get("capacity_gib") or rules["SSD"]["capacity_gib"]
    sold = rules["SSD"]["per_unit_throughput"] if "SSD" in rules else [None]
    return tier in sold and stepped(capacity, steps["allowed"], steps["then_multiple_of"])


@pytest.mark.parametrize(("deployment", "storage"), list(product(TYPES, STORAGES)))
def test_exactly_the_documented_combinations_are_taken(deployment, storage):
    """cfn-lint passes 1,300 GiB and 333 MB/s; FSx refuses them after the network was built."""
    for tier, capacity in product(TIERS, CAPACITIES):
        found = list(problems(file_system(deployment, storage, tier, capacity)))

        taken = documented(deployment, storage, tier, capacity)
        assert bool(found) is not taken, f"{tier} MB/s, {capacity} GiB: {found}"


@pytest.mark.parametrize(("tier", "capacity"), list(product(TIERS, CAPACITIES)))
def test_efa_enabled_file_systems_come_in_their_own_steps(tier, capacity):
    """38,400 GiB at 125 MB/s a TiB down to 4,800 at 1,000."""
    steps = TYPES["PERSISTENT_2"]["SSD"]["efa_capacity_multiple_of_gib"]
    asked = file_system(
        "PERSISTENT_2",
        "SSD",
        tier,
        capacity,
        EfaEnabled=True,
        MetadataConfiguration={"Mode": "AUTOMATIC"},
    )

    taken = str(tier) in steps and stepped(capacity, (), steps[str(tier)])
    assert bool(list(problems(asked))) is not taken


@pytest.mark.parametrize("deployment", list(TYPES))
def test_only_persistent_2_is_sold_with_efa(deployment):
    """Every other type answers with that one problem, whatever its throughput."""
    tier = {"PERSISTENT_1": 100, "PERSISTENT_2": 1000}.get(deployment)
    metadata = {"Mode": "AUTOMATIC"} if deployment == "PERSISTENT_2" else None
    capacity = 14400 if deployment == "PERSISTENT_2" else 7200
    asked = file_system(
        deployment, "SSD", tier, capacity, EfaEnabled=True, MetadataConfiguration=metadata
    )

    expected = [] if deployment == "PERSISTENT_2" else ["LustreConfiguration.EfaEnabled"]
    assert [p.field for p in problems(asked)] == expected


@pytest.mark.parametrize(("deployment", "days"), list(product(TYPES, (-1, 0, 1, 7, 90, 91))))
def test_backups_are_kept_0_to_90_days_on_persistent_types(deployment, days):
    """Scratch file systems have none."""
    tier = {"PERSISTENT_1": 100, "PERSISTENT_2": 250}.get(deployment)
    asked = file_system(deployment, "SSD", tier, 1200, AutomaticBackupRetentionDays=days)

    low, high = RULES["automatic_backup_days"]
    taken = days == 0 or (low <= days <= high and TYPES[deployment]["backups"])
    assert bool(list(problems(asked))) is not taken


@pytest.mark.parametrize("deployment", list(TYPES))
def test_a_customer_key_is_for_persistent_types(deployment):
    """Scratch data is encrypted by a key of FSx."""
    tier = {"PERSISTENT_1": 100, "PERSISTENT_2": 250}.get(deployment)
    asked = file_system(deployment, "SSD", tier, 1200) | {"KmsKeyId": {"Ref": "Key"}}

    expected = [] if TYPES[deployment]["kms_cmk"] else ["KmsKeyId"]
    assert [p.field for p in problems(asked)] == expected


@given(st.integers(-1000, 250_000), st.booleans())
def test_metadata_iops_are_those_of_the_storage_type(iops, tiering):
    """And the nearest of them is suggested."""

    def asked(iops):
        metadata = {"Mode": "USER_PROVISIONED", "Iops": iops}
        if tiering:
            return file_system("PERSISTENT_2", STORAGES[2], MetadataConfiguration=metadata)
        return file_system("PERSISTENT_2", "SSD", 250, 1200, MetadataConfiguration=metadata)

    sold = {6000, 12000} if tiering else {1500, 3000, 6000, *range(12000, 192001, 12000)}
    found = list(problems(asked(iops)))

    assert bool(found) is (iops not in sold)
    for problem in found:
        nearest = int(problem.fix.rpartition("write ")[2])
        assert list(problems(asked(nearest))) == []
        assert abs(nearest - iops) == min(abs(value - iops) for value in sold)


@given(st.integers(1, 2_100_000))
def test_intelligent_tiering_is_bought_in_steps_of_throughput(mbps):
    """4,000 MB/s each, up to 2,000,000; a suggestion is one of them."""
    rules = TYPES["PERSISTENT_2"]["INTELLIGENT_TIERING"]
    step, most = (
        rules["throughput_capacity_multiple_of_mbps"],
        rules["throughput_capacity_max_mbps"],
    )
    found = list(problems(file_system("PERSISTENT_2", STORAGES[2], ThroughputCapacity=mbps)))

    assert bool(found) is bool(mbps % step or mbps > most)
    for problem in found:
        nearest = int(problem.fix.rpartition("write ")[2])
        assert nearest % step == 0
        assert 0 < nearest <= most


@given(st.sampled_from(SIZED), st.integers(1, 200_000))
def test_the_capacities_just_below_and_above_are_suggested(
    kind: tuple[str, str, int | None], capacity: int
):
    """Both are sold, and nothing between them is."""
    found = list(problems(file_system(*kind, capacity)))

    assert bool(found) is not documented(kind[0], kind[1], kind[2], capacity)
    for problem in found:
        nearest = [int(n) for n in problem.fix.rpartition("write ")[2].split(" or ")]
        assert all(documented(*kind, value) for value in nearest)
        between = range(nearest[0] + 1 if len(nearest) == 2 else 1, nearest[-1])
        assert capacity in between
        assert not any(documented(*kind, value) for value in between)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"SubnetIds": ["subnet-a", "subnet-b"]}, "SubnetIds"),
        ({"FileSystemTypeVersion": "2.12"}, "FileSystemTypeVersion"),
        (
            {"LogConfiguration": {"Destination": "arn:aws:logs:r:a:log-group:lustre"}},
            "LustreConfiguration.LogConfiguration.Destination",
        ),
        ({"ImportPath": "s3://bucket"}, "LustreConfiguration.ImportPath"),
        ({"MetadataConfiguration": None}, "LustreConfiguration.MetadataConfiguration"),
        (
            {"MetadataConfiguration": {"Mode": "AUTOMATIC", "Iops": 1500}},
            "LustreConfiguration.MetadataConfiguration.Iops",
        ),
        (
            {"MetadataConfiguration": {"Mode": "USER_PROVISIONED"}},
            "LustreConfiguration.MetadataConfiguration.Iops",
        ),
        ({"DeploymentType": "PERSISTENT_3"}, "LustreConfiguration.DeploymentType"),
    ],
)
def test_what_only_a_template_can_have_is_judged_as_well(change, field):
    """The rules serve templates of other people too."""
    asked = file_system(
        "PERSISTENT_2",
        "SSD",
        1000,
        4800,
        EfaEnabled=True,
        MetadataConfiguration={"Mode": "AUTOMATIC"},
    )
    assert list(problems(asked)) == []

    for key, value in change.items():
        outer = key in {"SubnetIds", "FileSystemTypeVersion"}
        (asked if outer else asked["LustreConfiguration"])[key] = value
    assert [p.field for p in problems(asked)] == [field]


def test_what_is_only_known_at_deployment_is_left_alone():
    """A reference in a template is not a fault."""
    unknown = {"Ref": "Parameter"}
    asked = file_system("PERSISTENT_2", "SSD", unknown, unknown, EfaEnabled=unknown)

    assert list(problems(asked)) == []
    assert list(problems(file_system(unknown, "SSD", 250, 1300))) == []
    assert (
        list(association_problems(file_system(unknown, "SSD"), [{"FileSystemPath": unknown}])) == []
    )


def test_numbers_that_a_template_writes_as_text_are_judged():
    """CloudFormation takes "1200" for 1200, and JSON written by hand has both."""
    assert list(problems(file_system("PERSISTENT_2", "SSD", "250", "1200"))) == []
    assert len(list(problems(file_system("PERSISTENT_2", "SSD", "251", "1300")))) == 2


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=3), max_size=9))
def test_directories_that_hold_one_another_are_refused(paths):
    """Two associations over one file would each export it."""
    associations = [
        {"FileSystemPath": "/" + "/".join(parts), "DataRepositoryPath": f"s3://bucket{n}/"}
        for n, parts in enumerate(paths)
    ]
    found = list(association_problems(file_system("SCRATCH_2", "SSD", None, 1200), associations))

    shared = [
        later
        for index, later in enumerate(paths)
        if any(later[: len(p)] == p or p[: len(later)] == later for p in paths[:index])
    ]
    too_many = len(paths) > RULES["dra"]["max_per_filesystem"]
    assert len(found) == len(shared) + too_many


@pytest.mark.parametrize("capacity", ["--5", "²", "9" * 5000])
def test_a_text_that_is_no_number_has_no_step(capacity):
    """A template holds whatever its author wrote; the type of a property has a rule of its own."""
    assert list(problems(file_system("SCRATCH_2", "SSD", capacity=capacity))) == []
