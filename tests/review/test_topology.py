"""What the picture is drawn from, and that it says what the templates say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.review.subjects import HERE, MARKUP, STRANGE, figures, golden, reviewed, subnets
from tests.rules.cluster_templates import CLUSTER, ref, resource
from ultracluster.review.changes.change import Danger
from ultracluster.review.drawing.blocks import Item
from ultracluster.review.drawing.picture import Figure
from ultracluster.review.drawing.svg import ELLIPSIS, fitted, width, wrapped
from ultracluster.review.report import figure
from ultracluster.review.resolved import NotKnown
from ultracluster.review.topology.nodes import Placement, Reservation
from ultracluster.templates.resolution import resolved_group
from ultracluster.templates.resolved import Template


def drawn(resources: dict[str, Any]) -> Figure:
    template = Template("t", {"Resources": resources})
    return figure(resolved_group([template], {}, "us-east-1"), 1)


@pytest.fixture(scope="module")
def ours() -> Figure:
    return reviewed(golden("ultracluster")).figures[0]


@pytest.fixture(scope="module")
def foreign() -> Figure:
    return reviewed([str(HERE / "foreign.yaml")], region=None).figures[0]


def test_nodes_are_drawn_as_they_are_launched(ours: Figure):
    """Type, number, cards and interfaces are the template's, not the spec's."""
    nodes, login = ours.topology.nodes

    assert (nodes.count, nodes.type_name) == (516, "p4d.24xlarge")
    assert (login.count, login.type_name) == (1, "m6i.xlarge")
    assert login.role == "in no queue: login or service nodes"
    interfaces, placement, reservation = nodes.interfaces, nodes.placement, nodes.reservation
    assert not isinstance(interfaces, NotKnown)
    assert isinstance(placement, Placement)
    assert isinstance(reservation, Reservation)
    assert [(i.card, i.kind) for i in interfaces] == [
        (0, "efa"),
        (1, "efa"),
        (2, "efa"),
        (3, "efa"),
    ]
    assert placement.strategy == "cluster"
    assert reservation.count == 516
    assert "×516" in ours.svg


SIGNS = {
    "efa": "EFA interface",
    "ip": "IP interface",
    "reserved": "reserved capacity",
    "both": "which has an address as well",
    "bad-line": "does not pass",
    "unknown-line": "not known whether it passes",
    "plain-line": "way out",
    "use0": "addresses taken, in the order of the words above",
}


def test_the_legend_explains_what_is_drawn_and_nothing_else():
    """A line that nothing explains is guessed at; an explanation without its sign is looked for."""
    cards = [
        {"NetworkCardIndex": card, "DeviceIndex": int(card > 0), "InterfaceType": "efa"}
        for card in range(32)
    ]
    h100 = {"InstanceType": "p5.48xlarge", "NetworkInterfaces": cards}
    every = [
        reviewed(golden("staging")).figures[0],
        reviewed([str(HERE / "foreign.yaml")]).figures[0],
        drawn({"H100": resource("AWS::EC2::Instance", h100)}),
    ]
    every += [drawn(resources) for resources in STRANGE.values()]
    seen = set()
    for each in every:
        picture, _, legend = each.svg.partition(">Legend<")
        classes = set(" ".join(re.findall('class="([^"]*)"', picture)).split())
        for sign, meaning in SIGNS.items():
            assert (sign in classes) is (meaning in legend), (sign, meaning)
            seen |= {sign} & classes
    assert seen == set(SIGNS)


def test_lustre_has_its_size_and_its_links_to_s3(ours: Figure):
    """98.4 TiB at 1,000 MB/s per TiB; data comes in by one link, checkpoints leave by another."""
    (system,) = ours.topology.file_systems

    assert system.gib == 100_800
    assert system.gigabytes_per_second == pytest.approx(98.4375)
    assert [(a.path, bool(a.imports), bool(a.exports)) for a in system.associations] == [
        ("/data", True, False),
        ("/checkpoints", False, True),
    ]
    assert "TCP 988 and 1018–1023 pass both ways" in ours.svg


def test_addresses_are_counted_by_what_takes_them(ours: Figure):
    """516 nodes at four addresses, a login node, 86 file servers, 11 endpoints; NAT elsewhere."""
    training, public = (s for vpc in ours.topology.vpcs for s in vpc.subnets)

    assert training.used == 516 * 4 + 1 + 86 + 11
    assert training.addresses == 8192 - 5
    assert training.jobs[0].each == 5
    assert (public.used, public.way_out) == (1, "internet gateway")
    assert training.nat_subnet == public.key


def test_an_unknown_value_is_drawn_as_unknown(foreign: Figure):
    """A parameter without a default is not guessed, and neither is a subnet of somebody else."""
    system = next(f for f in foreign.topology.file_systems if "Lustre" in f.kind)

    assert system.gib == NotKnown("parameter StorageGiB has no default")
    assert "capacity not known" in foreign.svg
    assert "Region not known" in foreign.svg
    assert "OtherSubnet" in foreign.svg


def test_a_fabric_that_cannot_work_is_not_drawn_as_one(foreign: Figure):
    """Ingress alone is half of what EFA needs."""
    assert foreign.topology.fabrics == []
    assert "Group does not name itself in both directions" in foreign.svg


def test_a_stranger_s_template_is_drawn_whole(foreign: Figure):
    """EFS, a head node, a spare subnet and both zones are where they belong."""
    zones = foreign.topology.vpcs[0].zones()

    assert list(zones) == ["us-west-2a", "us-west-2b"]
    assert [s.name for s in zones["us-west-2b"]] == ["Homes", "Spare"]
    assert zones["us-west-2b"][0].file_systems[0].kind == "EFS"
    assert not zones["us-west-2b"][1].uses


@pytest.mark.parametrize("name", STRANGE)
def test_any_template_gives_a_picture(name: str, tmp_path: Path):
    """A review that ends with a stack trace is none, whatever was reviewed."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"Resources": STRANGE[name]}))

    made = reviewed([str(path)])
    assert all(each.svg.startswith("<svg") for each in made.figures)
    assert all(each.mermaid.startswith("flowchart") for each in made.figures)


def test_names_are_no_markup():
    """A name in a stranger's template must not run in a reviewer's browser."""
    figure_ = drawn({MARKUP: {"Type": "AWS::S3::Bucket"}})

    assert "<script" not in figure_.svg
    assert "<img" not in figure_.svg
    assert "&lt;script&gt;" in figure_.svg


ODD = st.sampled_from(
    [None, 7, -1, True, "", "x", [], {}, [None], [[1]], {"a": 1}, {"Ref": "Nope"}, 10**30]
)


@settings(max_examples=60)
@given(data=st.data())
def test_a_wrong_value_anywhere_still_gives_a_picture(data: st.DataObject):
    """What CloudFormation would refuse is drawn as not known; the audit says what is wrong."""
    resources = json.loads(json.dumps(STRANGE[data.draw(st.sampled_from(sorted(SOUND)))]))
    at = resources[data.draw(st.sampled_from(sorted(resources)))]
    while isinstance(at, dict | list) and at:
        keys = sorted(at) if isinstance(at, dict) else list(range(len(at)))
        chosen = data.draw(st.sampled_from(keys))
        if not isinstance(at[chosen], dict | list) or data.draw(st.booleans()):
            at[chosen] = data.draw(ODD)
            break
        at = at[chosen]

    assert drawn(resources).svg


SOUND = ("a cluster", "storage", "a training job", "HyperPod", "Slurm")


@given(text=st.text(max_size=80), room=st.floats(0, 300))
def test_a_text_never_takes_more_than_its_room(text: str, room: float):
    """The layout rests on it."""
    shown = fitted(text, room, 12)

    assert shown == "" or width(shown, 12) <= room
    assert shown in (text, "") or ELLIPSIS in shown


@given(text=st.text(max_size=200), room=st.floats(20, 300), most=st.integers(1, 4))
def test_a_wrapped_text_has_no_more_lines_than_it_may(text: str, room: float, most: int):
    """What is below it begins where it ends."""
    lines = wrapped(text, room, 12, most=most)

    assert len(lines) <= most
    assert all(width(line, 12) <= room for line in lines)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("m5.large", "no GPU"),
        ("g4dn.xlarge", "not known: this type is not in the catalogue"),
        ("p4d.24xlarge", "8 A100"),
    ],
)
def test_what_a_node_computes_with_is_plain(name: str, said: str):
    """An ordinary node has no GPU; of a type with one that is not known no number is made up."""
    node = resource("AWS::EC2::Instance", {"InstanceType": name, "SubnetId": ref("S0")})
    figure_ = drawn({**subnets(1), "Node": node})

    assert f"Accelerators of each: {said}" in spoken(figure_.words)
    assert said in figure_.mermaid.replace("#58;", ":")


def spoken(item: Item) -> list[str]:
    """Return every line of a picture in words."""
    return [item.says, *(line for inner in item.below for line in spoken(inner))]


def test_picture_words_and_chart_say_the_same(ours: Figure):
    """Whoever reads one of them misses nothing of the others."""
    words = " ".join(spoken(ours.words))
    for name in (
        *("Slurm/LargeNodes", "Slurm/LargeLoginNodes"),
        *("Placement/Group", "98.4 TiB", "Network/Nat"),
    ):
        assert name in ours.svg
        assert name in words
        assert name in ours.mermaid
    assert "TCP 988 and 1018–1023 pass both ways" in words
    assert "EFA: Fabric" in ours.mermaid
    assert len(set(re.findall(r"subgraph (\w+)", ours.mermaid))) == ours.mermaid.count("subgraph")


def test_a_change_of_a_launch_template_marks_the_nodes():
    """The template has no box of its own; its nodes have."""
    group = resolved_group([Template("t", {"Resources": CLUSTER})], {}, "us-east-1")
    marked = figure(group, 1, {("t", "Template"): Danger.INTERRUPTS})

    assert "▲ interrupts" in marked.svg
    assert marked.svg.count("▲ interrupts") == figure(group, 1).svg.count("▲") + 1
    assert "▲ interrupts" in marked.mermaid


def test_slurm_is_drawn_with_what_it_starts():
    """Controller, queue and node group; nodes without a queue are said to have none."""
    figure_ = drawn(STRANGE["Slurm"])

    assert "Slurm controller (AWS PCS) Slurm" in figure_.svg
    assert "PCS node group Workers" in figure_.svg


def test_a_choice_that_templates_leave_open_is_said():
    """A picture of one of two variants says which."""
    body = {
        "Parameters": {"Big": {"Type": "String", "AllowedValues": ["yes", "no"]}},
        "Conditions": {"IsBig": {"Fn::Equals": [{"Ref": "Big"}, "yes"]}},
        "Resources": {
            **CLUSTER,
            "Extra": {"Type": "AWS::S3::Bucket", "Condition": "IsBig"},
        },
    }
    figure_ = figure(resolved_group([Template("t", body)], {}, "us-east-1"), 1)

    assert "Drawn with IsBig is true" in figure_.svg
    assert any(store.name == "Extra" for store in figure_.topology.stores)


@pytest.fixture
def kubernetes(tmp_path: Path) -> Figure:
    """Return a figure of EKS and Batch, whose nodes no launch template describes."""
    inside = {"Subnets": [ref("S0")]}
    resources = {
        **subnets(2),
        "Eks": resource(
            "AWS::EKS::Cluster",
            {"Version": "1.33", "RoleArn": "x", "ResourcesVpcConfig": {"SubnetIds": [ref("S0")]}},
        ),
        "Workers": resource(
            "AWS::EKS::Nodegroup",
            {
                "ClusterName": ref("Eks"),
                "InstanceTypes": ["p5.48xlarge"],
                "ScalingConfig": {"MaxSize": 8},
                **inside,
            },
        ),
        "Jobs": resource(
            "AWS::Batch::ComputeEnvironment",
            {
                "Type": "MANAGED",
                "ComputeResources": {
                    "Type": "SPOT",
                    "InstanceTypes": ["p4d.24xlarge"],
                    "MaxvCpus": 1000,
                    **inside,
                },
            },
        ),
        "Containers": resource(
            "AWS::Batch::ComputeEnvironment",
            {"Type": "MANAGED", "ComputeResources": {"Type": "FARGATE", "MaxvCpus": 8, **inside}},
        ),
    }
    (made,) = figures(tmp_path / "eks.json", {"Resources": resources})
    return made


def test_nodes_without_a_launch_template_are_drawn(kubernetes: Figure):
    """EKS and Batch launch nodes by type alone; Batch counts them by vCPU, 96 of a p4d."""
    found = {nodes.name: nodes for nodes in kubernetes.topology.nodes}

    assert (found["Workers"].count, found["Workers"].type_name) == (8, "p5.48xlarge")
    assert (found["Jobs"].count, found["Jobs"].market) == (11, "spot")
    assert found["Containers"].type_name == "Fargate"
    assert isinstance(found["Containers"].count, NotKnown)


def test_a_kubernetes_cluster_is_drawn_with_its_node_groups(kubernetes: Figure):
    """An EKS cluster is no empty box, and says whether the internet reaches its API."""
    (scheduler,) = kubernetes.topology.vpcs[0].subnets[0].schedulers

    assert scheduler.queues == [("pods", ["Workers"])]
    assert "Kubernetes (Amazon EKS) Eks" in kubernetes.svg
    assert "API reached from the internet" in kubernetes.svg
    assert "Not drawn" not in kubernetes.svg
