"""The catalogue is derived from the facts, and holds what the product promises."""

import json
import re
import runpy
from pathlib import Path

import pytest

from ultracluster.catalogue import instances

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "ultracluster" / "catalogue"
FACTS = json.loads((ROOT / "facts" / "instance_catalogue.json").read_text())["instances"]


def test_generated_files_equal_what_the_facts_give():
    """A number changed by hand would have no source; `make catalogue` writes them."""
    derived = runpy.run_path(str(ROOT / "facts" / "generate.py"))["outputs"]()

    # TextFormat by facts/job_environment.py and facts/property_limits.py, and compared in
    # tests/training/launch and tests/rules; and tables of names that are facts by themselves.
    elsewhere = {"training_settings.json", "torchtitan_settings.json", "properties.json"}
    elsewhere |= {"references.json", "roles.json"}
    assert {path.name for path in CATALOGUE.glob("*.json")} == set(derived) | elsewhere
    for name, text in derived.items():
        assert (CATALOGUE / name).read_text() == text, f"{name}: run python facts/generate.py"


def test_generated_files_name_their_sources():
    """A number from the outside world carries where it is from."""
    for path in CATALOGUE.glob("*.json"):
        assert json.loads(path.read_text())["_sources"]


@pytest.mark.parametrize(
    "family",
    ["p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300", "trn1", "trn2", "g5", "g6", "g6e"],
)
def test_every_promised_family_is_in_the_catalogue(family):
    """The families that an environment may ask for."""
    assert [name for name in instances.names() if name.split(".")[0] == family]


@pytest.mark.parametrize("name", instances.names())
def test_an_entry_agrees_with_its_facts(name):
    """What constructs read is what the dump of AWS's API says."""
    instance, facts = instances.find(name), FACTS[name]
    cards = instance.network_cards

    assert instance.vcpus == facts["vcpus"]
    assert instance.accelerator.count == (facts["accelerator"]["count"] or 0)
    assert cards.count == facts["efa"]["network_cards"]
    assert list(cards.efa_capable) == facts["efa"]["efa_card_indexes"]
    assert set(cards.efa_recommended) <= set(cards.efa_capable) <= set(range(cards.count))
    assert cards.gbps > 0
    assert instance.lustre_over_efa is facts.get("fsx_lustre_efa_client")
    assert instance.local_nvme_gb == facts.get("local_nvme_total_gb")
    for region, zones in (facts.get("az_ids") or {}).items():
        assert instance.zones(region) == tuple(zones)
        assert set(zones) <= set(instances.zones_by_region()[region])


def test_p4d_is_what_the_ultracluster_is_made_of():
    """EC2 guide: 8 A100 of 40 GiB, four cards of 100 Gbps, two NUMA nodes, no Nitro v4."""
    p4d = instances.find("p4d.24xlarge")

    assert (p4d.accelerator.name, p4d.accelerator.count) == ("A100", 8)
    assert p4d.accelerator.memory_mib == 40960
    assert (p4d.network_cards.count, p4d.network_cards.gbps) == (4, 400)
    assert (p4d.vcpus, p4d.cores) == (96, 48)
    assert p4d.boot_modes == ("legacy-bios",)
    assert not p4d.lustre_over_efa
    assert p4d.zones("us-east-1") == ("use1-az1", "use1-az2", "use1-az4", "use1-az6")


@pytest.mark.parametrize(("name", "gbps"), [("p5.48xlarge", 3200), ("p6-b300.48xlarge", 6400)])
def test_bandwidth_is_that_of_the_whole_instance(name, gbps):
    """EC2's table of accelerated instances."""
    assert instances.find(name).network_cards.gbps == gbps


def test_a_region_whose_zones_are_not_known_is_told_from_one_that_does_not_sell():
    """GovCloud sells P4d by the price list, and no public dump names its zones."""
    p4d = instances.find("p4d.24xlarge")

    assert p4d.zones("us-gov-west-1") is None
    assert p4d.zones("us-gov-east-1") == ()
    assert p4d.zones("eu-west-3") == ()


def test_what_no_dump_knows_stays_unknown():
    """P6e-GB200 is in no dump: it may be sold anywhere, have disks, and be a client over EFA."""
    unknown = instances.find("p6e-gb200.36xlarge")

    assert unknown.availability_zone_ids is None
    assert unknown.zones("us-east-1") is None
    assert unknown.lustre_over_efa is None
    assert unknown.local_nvme_gb is None


def test_every_region_says_how_its_zone_ids_begin():
    """By its zones where they are known, and by a prefix of its own where they are not."""
    prefixes = {region: instances.zone_id_prefix(region) for region in instances.regions()}

    assert {region for region, prefix in prefixes.items() if prefix is None} == set(
        instances.zones_by_region()
    )


def test_zone_ids_belong_to_one_region():
    """A zone id is a place on earth."""
    known = [zone for zones in instances.zones_by_region().values() for zone in zones]

    assert len(set(known)) == len(known)
    assert all(re.fullmatch(r"[a-z]{3,5}\d-az\d", zone) for zone in known)
