"""What variants share is what each of them would be, and be told, alone."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ultracluster.model.model import Model
from ultracluster.rules.engine import RULES, judge
from ultracluster.rules.rule import results
from ultracluster.templates.resolution import Template, resolved_group

CONDITIONS = {
    "Large": {"Fn::Equals": [{"Ref": "Size"}, "large"]},
    "Prod": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
    "Both": {"Fn::And": [{"Condition": "Large"}, {"Condition": "Prod"}]},
    "Apart": {"Fn::Not": [{"Condition": "Prod"}]},
}
PARAMETERS: dict[str, dict[str, object]] = {
    "Kind": {"AllowedValues": ["p4d.24xlarge", "p5.48xlarge", "p3.16xlarge"]},
    "Card": {"AllowedValues": ["efa", "efa-only", "interface"], "Default": "efa"},
    "Size": {"AllowedValues": ["small", "large"], "Default": "small"},
    "Env": {},
}
SCRIPT = "#!/bin/bash\necho FI_PROVIDER=${Size} >> /etc/environment\nmount ${Files.DNSName}@tcp:/x"


def choice(*values):
    """Return an expression that a condition may decide, of which a value may be absent."""
    of = st.sampled_from([*values, {"Ref": "AWS::NoValue"}])
    decided = st.builds(
        lambda *parts: {"Fn::If": list(parts)}, st.sampled_from(list(CONDITIONS)), of, of
    )
    return st.sampled_from(values) | decided


def resource(kind, **properties):
    """Return a resource of some choices, which a condition may leave out."""
    stated = {"Type": st.just(f"AWS::{kind}"), "Properties": st.fixed_dictionaries(properties)}
    condition = {"Condition": st.sampled_from(list(CONDITIONS))}
    return st.fixed_dictionaries(stated, optional=condition)


def interfaces(count, kind):
    """Return network interfaces of nodes."""
    own = {"InterfaceType": kind, "Groups": [{"Ref": "Sg"}], "SubnetId": {"Ref": "Subnet"}}
    return [{"NetworkCardIndex": n, "DeviceIndex": min(n, 1), **own} for n in range(count)]


LAUNCHED = st.fixed_dictionaries(
    {
        "InstanceType": choice({"Ref": "Kind"}, "p4d.24xlarge"),
        "Placement": choice({"GroupName": {"Ref": "Placement"}}),
        "UserData": st.just({"Fn::Base64": {"Fn::Sub": SCRIPT}}),
        "NetworkInterfaces": st.builds(
            interfaces, st.sampled_from([1, 2, 4]), choice({"Ref": "Card"}, "efa")
        ),
    }
)
LOOP = ["Of", {"Fn::Split": [",", "a,b"]}, {"Bucket${Of}": {"Type": "AWS::S3::Bucket"}}]
RESOURCES = {
    "Vpc": resource("EC2::VPC", CidrBlock=st.just("10.0.0.0/16")),
    "Subnet": resource(
        "EC2::Subnet",
        VpcId=st.just({"Ref": "Vpc"}),
        CidrBlock=choice("10.0.0.0/24", "10.0.0.0/28"),
        MapPublicIpOnLaunch=choice(True, False),
    ),
    "Sg": resource("EC2::SecurityGroup", VpcId=st.just({"Ref": "Vpc"})),
    "In": resource(
        "EC2::SecurityGroupIngress",
        GroupId=st.just({"Ref": "Sg"}),
        SourceSecurityGroupId=st.just({"Ref": "Sg"}),
        IpProtocol=choice("-1", "tcp"),
    ),
    "Placement": resource("EC2::PlacementGroup", Strategy=choice("cluster", "spread")),
    "Nodes": resource("EC2::LaunchTemplate", LaunchTemplateData=LAUNCHED),
    "Group": resource(
        "AutoScaling::AutoScalingGroup",
        MaxSize=choice("512", "2"),
        VPCZoneIdentifier=st.just([{"Ref": "Subnet"}]),
        LaunchTemplate=st.just({"LaunchTemplateId": {"Ref": "Nodes"}, "Version": "1"}),
    ),
    "Files": resource(
        "FSx::FileSystem",
        FileSystemType=st.just("LUSTRE"),
        StorageCapacity=choice(1300, 2400),
        SubnetIds=st.just([{"Ref": "Subnet"}]),
        SecurityGroupIds=st.just([{"Ref": "Sg"}]),
    ),
    "Reserved": resource(
        "EC2::CapacityReservation",
        InstanceType=choice({"Ref": "Kind"}),
        InstanceCount=st.just(4),
        InstancePlatform=choice("Linux/UNIX", "Windows"),
    ),
    "Fn::ForEach::Buckets": st.just(LOOP),
}


def group(resources):
    """Return a template of some resources with all its variants, resolved afresh."""
    declared = {name: {"Type": "String", **more} for name, more in PARAMETERS.items()}
    body = {"Parameters": declared, "Conditions": CONDITIONS, "Resources": resources}
    return resolved_group([Template("t", body)], {}, None, every_value=True)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(st.fixed_dictionaries(RESOURCES))
def test_each_variant_is_and_says_what_it_would_alone(resources):
    """A finding that another variant brought about, or hid, would be a lie about this one."""
    shared, alone = group(resources), group(resources)
    kept: dict[tuple[str, int], Any] = {}
    assert len(shared.variants) > 1
    for variant in shared.variants:
        fresh = group(resources).variant(variant.unusual)
        assert (fresh.resources, fresh.region) == (variant.resources, variant.region)
        one, model = Model(variant, kept), Model(alone.variant(variant.unusual))
        for rule in RULES.values():
            assert list(results(rule, one)) == list(results(rule, model)), rule.id


def test_what_a_policy_of_one_choice_allows_is_missing_in_the_other():
    """The role is the same in both; what was read of it in one said nothing of the other."""
    actions = ["CreateLogGroup", "CreateLogStream", "PutLogEvents", "Describe*"]
    allows = {"Effect": "Allow", "Action": [f"logs:{name}" for name in actions], "Resource": "*"}
    service = {"Service": "vpc-flow-logs.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    flow_log = {
        "DeliverLogsPermissionArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "LogGroupName": "flows",
        "ResourceId": "vpc-0123456789abcdef0",
        "ResourceType": "VPC",
        "TrafficType": "ALL",
    }
    policy = {
        "PolicyName": "logs",
        "Roles": [{"Ref": "Role"}],
        "PolicyDocument": {"Statement": [allows]},
    }
    found = judge(
        group(
            {
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}},
                },
                "Flow": {"Type": "AWS::EC2::FlowLog", "Properties": flow_log},
                "Policy": {"Type": "AWS::IAM::Policy", "Condition": "Large", "Properties": policy},
            }
        )
    ).findings

    assert [(f.place.logical_id, f.choices) for f in found if f.rule == "SAFETY-20"] == [
        ("Flow", {"t/Size": "small"})
    ]


def test_choices_stand_in_the_order_of_the_parameters():
    """A report that changes from run to run cannot be compared."""
    resources = {"Nodes": {"Type": "T", "Properties": {"V": [{"Ref": n} for n in PARAMETERS]}}}
    (first, *_) = group(resources).variants
    assert [*first.choices] == [f"t/{name}" for name in PARAMETERS if name != "Env"]
