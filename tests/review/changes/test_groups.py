"""Changes of one cause stand together, and each change stands in one group."""

from tests.review.changes.planted import LUSTRE
from tests.review.goldens import changes, edited, golden, put
from ultracluster.review.changes.change import Danger
from ultracluster.review.page.causes import grouped


def _keep_nothing(templates):
    """Edit templates as `keep_data=False` does."""
    for template in templates.values():
        for body in template["Resources"].values():
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if policy in body:
                    body[policy] = "Delete"


def test_data_that_is_no_longer_kept_is_one_group_of_twelve_resources():
    """`keep_data: True -> False` is one decision, and not eighteen rows."""
    groups = grouped(changes(golden(), edited(_keep_nothing)))
    (lost,) = [group for group in groups if group.danger is Danger.LOSES_DATA]

    assert len(lost.places) == 12
    assert (
        lost.cause == "DeletionPolicy and UpdateReplacePolicy: RetainExceptOnCreate/Retain → Delete"
    )
    assert groups[0] is lost


def test_what_follows_from_a_replacement_stands_with_it():
    """A reader who keeps the description of the group keeps the file system."""
    found = changes(golden(), edited(put("Storage/Lustre/Group", "GroupDescription", "x")))
    (group,) = grouped(found)

    assert group.danger is Danger.REPLACES
    assert "GroupDescription" in group.cause
    assert any(place.endswith("Lustre/Resource") for place in group.places)


def test_the_same_edit_with_another_danger_is_another_group():
    """A bucket that is no longer kept must not hide among rules that hold no data."""
    found = grouped(changes(golden(), edited(_keep_nothing)))
    assert {group.danger for group in found} == {Danger.LOSES_DATA, Danger.HARMLESS}


def test_a_parameter_and_what_it_changes_stand_together():
    """The resource is written as before; the default is what a reader can undo."""

    def template(block):
        return {
            "S": {
                "Parameters": {"Block": {"Type": "String", "Default": block}},
                "Resources": {
                    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Block"}}}
                },
            }
        }

    (group,) = grouped(changes(template("10.0.0.0/16"), template("10.1.0.0/16")))
    assert {change.resource for change in group.changes} == {"Vpc", "Parameters"}
    assert group.cause == "Parameters of S: Block.Default: 10.0.0.0/16 → 10.1.0.0/16"


def test_descriptions_of_several_stacks_are_one_group():
    """Nobody judges them one by one."""

    def describe(templates):
        for name, template in templates.items():
            template["Description"] = f"changed {name}"

    (group,) = grouped(changes(golden(), edited(describe)))
    assert group.cause == "Description of Cluster, Network, Storage, Training"


def _roles(action):
    """Return a template of five roles, whose statements are of resources of their own."""
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:s3:::bucket-{number}/*"}
        for number in range(5)
    ]
    document = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    return {
        "S": {
            "Resources": {
                f"Role{number}": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {
                        "AssumeRolePolicyDocument": document,
                        "Policies": [
                            {"PolicyName": "p", "PolicyDocument": {"Statement": [statement]}}
                        ],
                    },
                }
                for number, statement in enumerate(statements)
            }
        }
    }


def test_the_same_edit_within_values_that_differ_is_one_group():
    """Five roles that each may do more in a bucket of their own are one decision."""
    (group,) = grouped(changes(_roles("s3:GetObject"), _roles("s3:*")))

    assert len(group.places) == 5
    assert group.cause == "Policies.PolicyDocument.Statement.Action: s3:GetObject → s3:*"


def test_an_action_more_in_several_statements_is_named_alone():
    """The reader judges the new action, and not a list in which it stands."""
    (group,) = grouped(changes(_roles(["s3:GetObject"]), _roles(["s3:GetObject", "s3:PutObject"])))

    assert len(group.places) == 5
    assert group.cause == (
        "Policies.PolicyDocument.Statement.Action (an entry): none → s3:PutObject"
    )


def test_an_entry_that_several_lists_get_is_one_group():
    """One rule opens three security groups, whatever other rules they have."""
    opened = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}

    def template(*more):
        return {
            "S": {
                "Resources": {
                    f"Group{count}": {
                        "Type": "AWS::EC2::SecurityGroup",
                        "Properties": {
                            "GroupDescription": "x",
                            "SecurityGroupIngress": [
                                {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
                                for port in range(count)
                            ]
                            + list(more),
                        },
                    }
                    for count in range(3)
                }
            }
        }

    (group,) = grouped(changes(template(), template(opened)))

    assert len(group.places) == 3
    assert group.cause == (
        'SecurityGroupIngress (an entry): none → {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}'
    )


def test_the_same_lines_of_scripts_that_differ_are_one_group():
    """One line that all nodes get is one decision, whatever else their scripts do."""

    def template(line):
        return {
            "S": {
                "Resources": {
                    name: {
                        "Type": "AWS::EC2::LaunchTemplate",
                        "Properties": {
                            "LaunchTemplateData": {
                                "UserData": {"Fn::Base64": f"echo {name}\n{line}\necho end {name}"}
                            }
                        },
                    }
                    for name in ("Nodes", "Login")
                }
            }
        }

    (group,) = grouped(changes(template("sleep 1"), template("sleep 2")))

    assert len(group.places) == 2
    assert group.cause == "LaunchTemplateData.UserData: sleep 1 → sleep 2"


def test_edits_that_do_the_same_to_one_resource_are_one_group():
    """A reader sees once that a node group is replaced, and both properties that do it."""
    node_group = "Cluster/Slurm/LargeNodes"
    configs = [{"InstanceType": "p5.48xlarge"}]
    edit = put(node_group, "InstanceConfigs", configs), put(node_group, "Name", "p5-48xlarge")
    (group,) = grouped(changes(golden(), edited(*edit)))

    assert group.places == ("ultracluster/Cluster/Slurm/LargeNodes/Resource",)
    assert group.cause == (
        "InstanceConfigs.InstanceType: p4d.24xlarge → p5.48xlarge, Name: p4d-24xlarge → p5-48xlarge"
    )


def test_each_change_is_in_one_group():
    """A change that no group has is a change that nobody reviewed."""
    edit = put("Network/Network/Vpc", "CidrBlock", "10.3.0.0/16")
    found = changes(golden(), edited(_keep_nothing, edit, put(LUSTRE, "StorageCapacity", 50400)))
    members = [change for group in grouped(found) for change in group.changes]
    assert sorted(map(id, members)) == sorted(map(id, found))
    assert grouped(()) == ()
