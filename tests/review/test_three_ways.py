"""What is approved, deployed and there."""

from typing import Any

import pytest

from ultracluster.drift import of_answer
from ultracluster.review.changes.change import Danger
from ultracluster.review.resolved import of_templates
from ultracluster.review.three_ways import ThreeWays, as_there, three_ways
from ultracluster.templates.resolved import Template

GROUP = "AWS::EC2::SecurityGroup"
INSIDE = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/16"}


def template(**resources: dict[str, Any]) -> Template:
    """Return one deployed stack."""
    return Template("dev-Network", {"Resources": resources}, region="us-east-1")


def answer(resource: str, kind: str, *differences: tuple[str, str, str, str]) -> dict[str, Any]:
    """Return what CloudFormation says of a resource that drifted."""
    names = ("PropertyPath", "ExpectedValue", "ActualValue", "DifferenceType")
    return {
        "LogicalResourceId": resource,
        "ResourceType": kind,
        "StackResourceDriftStatus": "MODIFIED" if differences else "DELETED",
        "PropertyDifferences": [dict(zip(names, each, strict=True)) for each in differences],
    }


def ways(deployed: Template, approved: Template, *answers: dict[str, Any]) -> list[ThreeWays]:
    """Return the three ways of one stack."""
    drifted = [each for row in answers for each in of_answer("dev-Network", row)]
    there = as_there([deployed], drifted)
    found = [of_templates(each, {}, "us-east-1") for each in ([deployed], there, [approved])]
    return list(three_ways(*found))


def logs(days: int) -> dict[str, Any]:
    """Return a group of logs."""
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": days}}


def drifted_logs(now: str) -> dict[str, Any]:
    """Return that somebody changed how long they are kept."""
    row = ("/RetentionInDays", "30", now, "NOT_EQUAL")
    return answer("Logs", "AWS::Logs::LogGroup", row)


@pytest.mark.parametrize(
    ("approved", "there", "danger", "says"),
    [
        (30, "3", Danger.LOSES_DATA, "the delivery does not name it: it stays"),
        (60, "3", Danger.LOSES_DATA, "writes over it: logs are kept 60 days instead of 3"),
        (60, "90", Danger.LOSES_DATA, "writes over it: logs are kept 60 days instead of 90"),
        (60, "60", Danger.COSTS_MORE, "the delivery writes the same"),
    ],
)
def test_a_property_is_judged_by_what_the_delivery_does_to_what_is_there(
    approved: int, there: str, danger: Danger, says: str
):
    """More than is deployed may be less than is there: only three ways show it."""
    (row,) = ways(template(Logs=logs(30)), template(Logs=logs(approved)), drifted_logs(there))
    assert (row.approved, row.deployed, row.there) == (approved, 30, int(there))
    assert row.danger is danger
    assert row.what.startswith("by hand: ")
    assert says in row.what


def test_what_did_not_drift_stands_beside_what_did():
    """There it is as it is deployed."""
    deployed = template(Logs=logs(30), More=logs(30))
    row, other = ways(deployed, template(Logs=logs(30), More=logs(60)), drifted_logs("3"))
    assert (row.danger, other.danger) == (Danger.LOSES_DATA, Danger.COSTS_MORE)
    assert (other.approved, other.deployed, other.there) == (60, 30, 30)
    assert "by hand" not in other.what


def test_a_deleted_resource_and_one_that_leaves_the_templates():
    """What is gone already, and what was changed before the delivery deletes it."""
    deployed = template(Logs=logs(30))
    (row,) = ways(deployed, deployed, answer("Logs", "AWS::Logs::LogGroup"))
    assert (row.danger, row.there) == (Danger.LOSES_DATA, None)
    assert row.approved == row.deployed == logs(30)

    rows = ways(deployed, template(), drifted_logs("90"))
    by_hand = next(each for each in rows if each.property)
    assert (by_hand.approved, by_hand.there) == (None, 90)
    assert "the delivery writes over it" in by_hand.what


@pytest.mark.parametrize(
    ("rules", "difference", "there"),
    [
        ([INSIDE], ("/R/0/CidrIp", "10.0.0.0/16", "0.0.0.0/0", "NOT_EQUAL"), 1),
        ([], ("/R/0", "null", '{"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}', "ADD"), 1),
        ([INSIDE], ("/R/1", "null", '{"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}', "ADD"), 2),
        ([INSIDE, INSIDE], ("/R/1", "{}", "null", "REMOVE"), 1),
        ({"Fn::If": ["C", [], []]}, ("/R/0/CidrIp", "10.0.0.0/16", "0.0.0.0/0", "NOT_EQUAL"), None),
    ],
)
def test_what_is_there_is_written_where_the_pointer_leads(rules, difference, there):
    """Into lists, at their end, out of them, and over a function that stands in the way."""
    own = {"GroupDescription": "x", "SecurityGroupIngress": rules}
    group = {"Type": GROUP, "Properties": own}
    row = (difference[0].replace("/R", "/SecurityGroupIngress"), *difference[1:])
    (found,) = as_there(
        [template(Group=group)], list(of_answer("dev-Network", answer("Group", GROUP, row)))
    )
    now = found.body["Resources"]["Group"]["Properties"]["SecurityGroupIngress"]
    assert now == "0.0.0.0/0" if there is None else len(now) == there
    assert own["SecurityGroupIngress"] == rules, "the deployed one is as it was"


def test_several_entries_of_a_list_that_are_gone():
    """Each is named by its place in the list as it was."""
    rules = [{**INSIDE, "FromPort": port} for port in range(4)]
    group = {"Type": GROUP, "Properties": {"SecurityGroupIngress": rules}}
    gone = [(f"/SecurityGroupIngress/{index}", "{}", "null", "REMOVE") for index in (1, 2)]
    drifted = list(of_answer("dev-Network", answer("Group", GROUP, *gone)))
    (found,) = as_there([template(Group=group)], drifted)
    left = found.body["Resources"]["Group"]["Properties"]["SecurityGroupIngress"]
    assert [rule["FromPort"] for rule in left] == [0, 3]


def test_an_opened_port_is_called_what_the_review_calls_it():
    """The classes are those of any change."""
    group = {"Type": GROUP, "Properties": {"SecurityGroupIngress": [INSIDE]}}
    row = ("/SecurityGroupIngress/0/CidrIp", "10.0.0.0/16", "0.0.0.0/0", "NOT_EQUAL")
    (found,) = ways(template(Group=group), template(Group=group), answer("Group", GROUP, row))
    assert found.danger is Danger.LOOSENS_SECURITY
