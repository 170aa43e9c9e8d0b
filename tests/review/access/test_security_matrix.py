"""Who reaches whom on which port."""

import pytest

from operations.review.access.matrix import Party
from operations.review.access.passages import security_matrix
from tests.review.goldens import golden


def group(name, **rules):
    """Return a security group with inline rules."""
    return {name: {"Type": "AWS::EC2::SecurityGroup", "Properties": rules}}


def of(*resources):
    """Return the matrix of one stack."""
    found = {k: v for part in resources for k, v in part.items()}
    return security_matrix({"S": {"Resources": found}})


def cells(matrix):
    """Return the passages as short texts."""
    return {
        f"{p.group.name} {p.direction} {p.peer.name} {p.protocol} {p.ports}"
        for p in matrix.passages
        if "nothing" not in p.marks
    }


def test_the_fabric_admits_itself_and_nodes_reach_the_file_system():
    """The matrix shows what EFA and Lustre need, in both directions."""
    matrix = security_matrix(golden())
    assert {
        "Fabric in Fabric all all",
        "Fabric out Fabric all all",
        "Nodes out Lustre/Group tcp 988",
        "Lustre/Group in Nodes tcp 1018-1023",
        "Nodes out 0.0.0.0/0 tcp 443",
    } <= cells(matrix)
    itself = [p for p in matrix.passages if p.itself and p.group.name == "Fabric"]
    assert [p.answered for p in itself] == [True, True]


def test_a_group_that_lets_nothing_out_shows_no_hole():
    """CDK writes an impossible rule for it, which is marked as one."""
    closed = [p for p in security_matrix(golden()).passages if p.peer.name == "255.255.255.255/32"]
    assert closed
    assert all(p.marks == ("nothing",) for p in closed)


def test_a_rule_that_the_other_side_does_not_answer_is_seen():
    """A client that may call a server that does not admit it waits for ever."""
    rules = [
        {
            "IpProtocol": "tcp",
            "FromPort": 988,
            "ToPort": 988,
            "DestinationSecurityGroupId": {"Ref": "Server"},
        }
    ]
    deaf = of(group("Client", SecurityGroupEgress=rules), group("Server", SecurityGroupIngress=[]))
    admits = [
        {
            "IpProtocol": "tcp",
            "FromPort": 0,
            "ToPort": 2000,
            "SourceSecurityGroupId": {"Ref": "Client"},
        }
    ]
    open_ = of(
        group("Client", SecurityGroupEgress=rules), group("Server", SecurityGroupIngress=admits)
    )

    assert [p.answered for p in deaf.passages if p.peer.kind == "group"] == [False]
    assert next(
        p for p in open_.passages if p.direction == "out" and p.peer.kind == "group"
    ).answered


@pytest.mark.parametrize(
    ("rule", "kind", "marks"),
    [
        ({"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}, "cidr", ("anywhere", "everything")),
        (
            {"CidrIpv6": "::/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22},
            "cidr",
            ("anywhere",),
        ),
        ({"SourcePrefixListId": "pl-1", "IpProtocol": "6"}, "prefix list", ()),
        ({"CidrIp": {"Ref": "Nothing"}, "IpProtocol": "tcp"}, "cidr", ()),
        ({"IpProtocol": "tcp"}, "unknown", ()),
    ],
)
def test_every_kind_of_peer_has_its_column(rule, kind, marks):
    """Blocks, prefix lists, groups, and what the templates do not tell."""
    (passage,) = [
        p for p in of(group("G", SecurityGroupIngress=[rule])).passages if p.direction == "in"
    ]
    assert passage.peer.kind == kind
    assert passage.marks == marks


def test_cells_are_found_by_group_and_peer():
    """A table asks for each of its cells."""
    matrix = security_matrix(golden())
    nodes = next(p for p in matrix.groups if p.name == "Nodes")
    lustre = next(p for p in matrix.peers if p.name == "Lustre/Group")
    assert {p.ports for p in matrix.between(nodes, lustre)} == {"988", "1018-1023"}
    assert isinstance(nodes, Party)
    assert matrix.between(lustre, lustre)
