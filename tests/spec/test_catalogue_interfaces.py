"""Network interfaces of every instance type: the documented layouts, and what EC2 refuses."""

import json
from collections import Counter
from pathlib import Path

import pytest

from ultracluster.catalogue import instances
from ultracluster.catalogue.interfaces import addresses, layout, problems

FACTS = json.loads((Path(__file__).parents[2] / "facts" / "instance_catalogue.json").read_text())[
    "instances"
]
DOCUMENTED = {"one-address": "save_ip", "address-per-card": "classic_efa_with_ena"}
LAYOUTS = [(name, kind) for name in instances.names() for kind in DOCUMENTED]

every_type = pytest.mark.parametrize("name", instances.names())
every_layout = pytest.mark.parametrize(("name", "kind"), LAYOUTS)


def entries(name, kind):
    return [interface.properties() for interface in layout(instances.find(name), kind)]


def fields(name, kind):
    return [problem.field for problem in problems(name, entries(name, kind))]


@pytest.mark.parametrize(
    ("name", "kind"),
    [pair for pair in LAYOUTS if DOCUMENTED[pair[1]] in FACTS[pair[0]]["interface_layouts"]],
)
def test_layouts_are_those_that_ec2_documents(name, kind):
    """The guide's layouts are what AWS tests: any other may be slow or refused."""
    assert entries(name, kind) == FACTS[name]["interface_layouts"][DOCUMENTED[kind]]


def test_only_gb200_has_no_documented_classic_layout():
    """Guards the test above against comparing nothing."""
    missing = [
        (name, kind)
        for name, kind in LAYOUTS
        if DOCUMENTED[kind] not in FACTS[name]["interface_layouts"]
    ]
    assert missing == [("p6e-gb200.36xlarge", "address-per-card")]


@every_layout
def test_ec2_takes_every_layout(name, kind):
    """The rules that judge other people's templates find nothing in our own."""
    assert fields(name, kind) == []


@every_layout
def test_each_interface_has_a_place_of_its_own_and_the_first_is_primary(name, kind):
    """EC2 refuses a launch with two interfaces in one place, or without card 0, device 0."""
    places = [(e["NetworkCardIndex"], e["DeviceIndex"]) for e in entries(name, kind)]

    assert places[0] == (0, 0)
    assert len(set(places)) == len(places)


@every_layout
def test_each_efa_card_has_exactly_one_efa_device(name, kind):
    """A card without one is bandwidth that was paid for and is not used."""
    devices = Counter(
        e["NetworkCardIndex"] for e in entries(name, kind) if e["InterfaceType"] != "interface"
    )
    facts = FACTS[name]["efa"]

    cards = facts.get("recommended_efa_only_cards", facts["efa_card_indexes"])
    assert devices == dict.fromkeys(cards, 1)


@every_type
def test_one_address_is_one_address(name):
    """Subnets are sized by it."""
    assert addresses(instances.find(name), "one-address") == 1


@pytest.mark.parametrize(
    ("name", "count"),
    [("p4d.24xlarge", 4), ("p5.48xlarge", 32), ("p6-b300.48xlarge", 17), ("g5.48xlarge", 1)],
)
def test_the_classic_layout_takes_an_address_a_card(name, count):
    """EC2 guide: 4 on P4d, 32 on P5, 17 on P6-B300 (whose card 0 is for IP alone)."""
    assert addresses(instances.find(name), "address-per-card") == count


@every_layout
def test_an_interface_in_the_place_of_another_is_reported(name, kind):
    """The launch fails with InvalidParameterCombination after the stack was half built."""
    given = entries(name, kind)
    got = [p.got for p in problems(name, [*given, dict(given[-1])])]

    card, device = given[-1]["NetworkCardIndex"], given[-1]["DeviceIndex"]
    assert f"2 interfaces at card {card}, device {device}" in got


@every_layout
def test_a_misspelt_type_is_reported_with_the_right_one(name, kind):
    """CloudFormation and cfn-lint take `efa_only`; EC2 does not."""
    given = entries(name, kind)
    given[-1]["InterfaceType"] = "efa_only"
    (problem,) = problems(name, given)

    assert (problem.field, problem.got) == (
        f"NetworkInterfaces[{len(given) - 1}].InterfaceType",
        "efa_only",
    )
    assert problem.fix.endswith("write efa-only")


@every_layout
def test_a_primary_interface_without_an_address_is_reported(name, kind):
    """A node whose primary interface is efa-only could not be reached by anything."""
    given = entries(name, kind)
    given[0]["InterfaceType"] = "efa-only"
    fixes = [
        p.fix for p in problems(name, given) if p.field == "NetworkInterfaces[0].InterfaceType"
    ]

    assert fixes == ["the primary interface must carry an address; write interface or efa"]


@every_layout
def test_a_second_efa_device_on_a_card_is_reported(name, kind):
    """A card has one EFA device; the second interface would be refused."""
    given = entries(name, kind)
    card = next(e["NetworkCardIndex"] for e in given if e["InterfaceType"] != "interface")
    more = {"NetworkCardIndex": card, "DeviceIndex": 9, "InterfaceType": "efa-only"}

    assert f"2 EFA interfaces on card {card}" in [p.got for p in problems(name, [*given, more])]


@every_layout
def test_a_card_that_does_not_exist_is_reported_with_those_that_do(name, kind):
    """A layout copied from a larger type."""
    count = FACTS[name]["efa"]["network_cards"]
    more = {"NetworkCardIndex": count, "DeviceIndex": 0, "InterfaceType": "efa-only"}
    (problem,) = problems(name, [*entries(name, kind), more])

    assert problem.got == f"NetworkCardIndex {count}"
    assert problem.fix == f"{name} has cards 0 to {count - 1}; write one of these"


@pytest.mark.parametrize(("name", "kind"), [pair for pair in LAYOUTS if pair[1] == "one-address"])
def test_a_public_address_on_several_interfaces_is_reported(name, kind):
    """aws-ofi-nccl#53: the launch fails; cfn-lint and CloudFormation say nothing."""
    given = entries(name, kind)
    given[0]["AssociatePublicIpAddress"] = True
    (problem,) = problems(name, given)

    assert problem.got == f"AssociatePublicIpAddress with {len(given)} interfaces"


def test_a_public_address_where_there_is_none_at_all_is_reported():
    """An efa-only interface carries the fabric and no IP."""
    given = entries("p4d.24xlarge", "one-address")
    given[1]["AssociatePublicIpAddress"] = True

    assert "NetworkInterfaces[1].AssociatePublicIpAddress" in [
        problem.field for problem in problems("p4d.24xlarge", given)
    ]


def test_a_public_address_on_the_only_interface_is_taken():
    """A G5 in a public subnet is somebody's workstation."""
    only = {"DeviceIndex": 0, "InterfaceType": "efa", "AssociatePublicIpAddress": True}

    assert list(problems("g5.48xlarge", [only])) == []


def test_more_interfaces_than_a_card_takes_are_reported():
    """P5 takes two a card."""
    crowd = [{"NetworkCardIndex": 0, "DeviceIndex": n} for n in range(3)]

    assert [p.got for p in problems("p5.48xlarge", crowd)] == ["3 interfaces on card 0"]


def test_efa_on_the_card_for_ip_alone_is_reported():
    """Card 0 of P6-B300 has no EFA."""
    given = entries("p6-b300.48xlarge", "address-per-card")
    given[0]["InterfaceType"] = "efa"

    assert [p.got for p in problems("p6-b300.48xlarge", given)] == ["an EFA interface on card 0"]


def test_interfaces_without_a_primary_one_are_reported():
    """Forgotten when the list is written by hand from card 1 on."""
    given = entries("p4d.24xlarge", "one-address")[1:]

    assert [p.got for p in problems("p4d.24xlarge", given)] == ["no interface at card 0, device 0"]


def test_what_is_only_known_at_deployment_is_left_alone():
    """A reference in a template is not a fault."""
    unknown = [
        {"NetworkCardIndex": {"Ref": "Card"}, "DeviceIndex": 0, "InterfaceType": {"Ref": "Type"}},
        {"NetworkCardIndex": 1, "DeviceIndex": 1, "InterfaceType": "efa"},
    ]

    assert list(problems("p4d.24xlarge", unknown)) == []


def test_an_instance_type_that_is_not_known_is_an_error():
    """There is nothing to judge its interfaces by."""
    with pytest.raises(instances.UnknownInstanceTypeError, match=r"write p4d\.24xlarge"):
        list(problems("p4d.24xlage", []))
