"""What a template leaves open is said, with the reason, and never guessed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.cases_routes import ways
from tests.rules.cluster_templates import (
    CLUSTER,
    INTERFACES,
    STORAGE,
    att,
    ref,
    resource,
    rules_between,
)
from tests.rules.rule_cases import BASES, GONE, changed, said, verdict
from tests.rules.service_templates import JOB
from ultracluster.catalogue import interfaces, lustre

DATA = "Template.LaunchTemplateData"
CARDS = f"{DATA}.NetworkInterfaces"


def with_parameter(changes, base=CLUSTER, **declared):
    return changed(base, changes) | {"Parameters": {"Given": {"Type": "String"} | declared}}


def open_questions(judged, rule: str) -> list[str]:
    return [unknown.because for unknown in judged.unknown if unknown.rule == rule]


def test_a_request_that_a_transform_makes_is_left_open():
    """Not even which fields it has is known, so that none is missing."""
    made = {"Fn::Transform": {"Name": "AWS::Include"}}
    template = {"Resources": {"Job": {"Type": "AWS::SageMaker::TrainingJob", "Properties": made}}}
    judged = verdict(template)

    assert judged.findings == ()
    assert open_questions(judged, "SAGEMAKER-20") == ["Fn::Transform is run at deployment"]


def test_an_endpoint_without_a_group_is_in_one_that_no_template_has():
    """It is in the VPC's default group; the rule of its groups ended in an IndexError."""
    assert "FABRIC-35" in said(verdict(changed(CLUSTER, ways({"Sts.SubnetIds": []}))))
    changes = ways({"Sts.SubnetIds": [], "Sts.SecurityGroupIds": []})
    assert "FABRIC-35" not in said(verdict(changed(CLUSTER, changes)))


@pytest.mark.parametrize(
    ("region", "own"), [("us-gov-west-1", "usgw1-az1"), ("cn-northwest-1", "cnnw1-az1")]
)
def test_a_zone_of_another_region_is_told_where_zones_are_not_known(region: str, own: str):
    """No dump has the zones of GovCloud and China, and how their ids begin is known."""

    def judged(zone: str):
        return verdict(changed(CLUSTER, {"Near.AvailabilityZoneId": zone}), region=region)

    assert "CAPACITY-5" in said(judged("use1-az6"))
    assert "CAPACITY-5" not in said(judged(own))
    assert open_questions(judged(own), "CAPACITY-5") == [f"the zones of {region} are not known"]


@pytest.mark.parametrize("rule", ["SAGEMAKER-10", "SAGEMAKER-20"])
def test_a_field_of_a_request_that_is_not_known_decides_no_other(rule: str):
    """How long a job waits cannot be compared with how long it runs, where that is a parameter."""
    changes = {
        "Job.EnableManagedSpotTraining": True,
        "Job.CheckpointConfig": {"S3Uri": "s3://data/checkpoints"},
        "Job.StoppingCondition.MaxRuntimeInSeconds": ref("Given"),
        "Job.StoppingCondition.MaxWaitTimeInSeconds": 60,
    }
    judged = verdict(with_parameter(changes, JOB))

    assert rule not in said(judged)
    assert open_questions(judged, rule) == ["parameter Given has no default"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({f"{CARDS}.1.InterfaceType": ref("Given")}, "FABRIC-3"),
        ({f"{CARDS}.1.NetworkCardIndex": ref("Given")}, "FABRIC-3"),
        ({f"{CARDS}.1.DeviceIndex": ref("Given")}, "FABRIC-3"),
        ({f"{CARDS}.1.AssociatePublicIpAddress": ref("Given")}, "FABRIC-9"),
        ({f"{DATA}.InstanceType": ref("Given")}, "FABRIC-3"),
        ({f"{CARDS}.1.Groups": [ref("Given")]}, "FABRIC-1"),
        ({"Nodes.VPCZoneIdentifier": [ref("Near"), ref("Given")]}, "FABRIC-12"),
        ({"Near.CidrBlock": ref("Given")}, "FABRIC-17"),
        ({"Nodes.MaxSize": ref("Given")}, "CAPACITY-12"),
        ({"Placement.Strategy": ref("Given")}, "CAPACITY-3"),
    ],
)
def test_a_parameter_without_value_leaves_a_rule_open(changes, rule: str):
    """Neither pass nor fail: whoever deploys decides."""
    judged = verdict(with_parameter(changes))

    assert rule not in said(judged)
    assert open_questions(judged, rule) == ["parameter Given has no default"]


CAPACITY = f"{DATA}.CapacityReservationSpecification.CapacityReservationTarget"
BLOCK = {
    f"{DATA}.InstanceMarketOptions": {"MarketType": "capacity-block"},
    f"{DATA}.Placement": GONE,
    f"{CAPACITY}.CapacityReservationId": "",
}
IN_A_GROUP = {
    **dict.fromkeys(("Placement", "Reservation", "Idle", f"{DATA}.Placement"), GONE),
    CAPACITY: {"CapacityReservationResourceGroupArn": "arn:aws:resource-groups:::group/x"},
}
DOORS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "SourcePrefixListId": "pl-1"}
IMAGES = {
    "VpcId": "vpc-0123456789abcdef0",
    "ServiceName": "com.amazonaws.us-east-1.ecr.dkr",
    "VpcEndpointType": "Interface",
}
MINE = "arn:aws:iam::123456789012:policy/mine"
DESTINATION = "Lustre.LustreConfiguration.LogConfiguration.Destination"
STREAM = {DESTINATION: att("Stream", "Arn"), "Stream": resource("AWS::KinesisFirehose::X", {})}


@pytest.mark.parametrize(
    ("base", "changes", "rule", "because"),
    [
        (
            "cluster",
            {f"{DATA}.BlockDeviceMappings.0.Ebs.Encrypted": GONE},
            "SAFETY-8",
            "Encrypted is not written, the account's default decides it",
        ),
        ("cluster", BLOCK, "CAPACITY-10", "the id of the block is an empty text"),
        ("cluster", IN_A_GROUP, "CAPACITY-3", "the reservation that it targets may lie in one"),
        (
            "cluster",
            ways({"Doors.SecurityGroupIngress": [DOORS]}),
            "FABRIC-35",
            "a prefix list may hold its clients",
        ),
        (
            "cluster",
            ways({"Sts.SecurityGroupIds": ["sg-0123456789abcdef0"]}),
            "FABRIC-35",
            "security group sg-0123456789abcdef0 is not in the given templates",
        ),
        (
            "cluster",
            {"Ecr": resource("AWS::EC2::VPCEndpoint", IMAGES)},
            "FABRIC-20",
            "VPC vpc-0123456789abcdef0 is not in the given templates",
        ),
        (
            "cluster",
            {"SeenRole.ManagedPolicyArns": [MINE]},
            "OPERATE-1",
            f"policy {MINE} may let it write metrics",
        ),
        (
            "pcs",
            {"Profile.Roles": ["somebodys"]},
            "SLURM-2",
            "the role of its instance profile is not in the given templates",
        ),
        (
            "pcs",
            {"NodeRole.Policies": GONE, "NodeRole.ManagedPolicyArns": [MINE]},
            "SLURM-2",
            f"policy {MINE} is not in the given templates",
        ),
        ("storage", STREAM, "LUSTRE-1", "Stream is known only once it is deployed"),
    ],
)
def test_what_lies_outside_of_the_templates_is_not_guessed(base, changes, rule: str, because: str):
    """It may be right, and it may be the fault: somebody has to look."""
    judged = verdict(changed(BASES[base], changes))

    assert rule not in said(judged)
    assert open_questions(judged, rule) == [because]


def test_a_type_is_not_sold_in_a_region_that_nobody_names():
    assert open_questions(verdict(changed(BASES["cluster"], {}), region=None), "CAPACITY-5") == [
        "the Region is not given"
    ]


def test_what_an_image_runs_is_not_guessed_from_its_reservation():
    """Windows alone has no driver for EFA; SUSE or Red Hat may be what the image is."""
    judged = verdict(changed(CLUSTER, {"Reservation.InstancePlatform": "SUSE Linux"}))

    assert "CAPACITY-14" not in said(judged)
    assert open_questions(judged, "CAPACITY-14") == [
        "Reservation is for SUSE Linux, and the platform of its image is not in the templates"
    ]


def test_a_parameter_with_a_value_is_judged():
    """A default, or what the caller says, is what will be deployed."""
    template = with_parameter({f"{CARDS}.1.InterfaceType": ref("Given")}, Default="efa_only")

    assert "FABRIC-3" in said(verdict(template))
    assert "FABRIC-3" not in said(verdict(template, Given="efa-only"))


def test_an_unknown_group_that_names_itself_is_enough():
    """Two uses of one parameter are the same group, whichever it is."""
    own = rules_between("Fabric", "Fabric", "Own")
    for rule, names in (
        ("OwnIn", ("GroupId", "SourceSecurityGroupId")),
        ("OwnOut", ("GroupId", "DestinationSecurityGroupId")),
    ):
        own[rule]["Properties"] |= dict.fromkeys(names, ref("Given"))
    cards = [entry | {"Groups": [ref("Given")]} for entry in INTERFACES]

    judged = verdict(with_parameter({CARDS: cards, **own}))

    assert {"FABRIC-1", "FABRIC-2"}.isdisjoint(said(judged))
    assert open_questions(judged, "FABRIC-1") == open_questions(judged, "FABRIC-2") == []


def test_a_group_that_another_resource_made_is_not_guessed():
    """The group of an EKS cluster has rules that no template shows."""
    cards = [entry | {"Groups": [att("Eks", "ClusterSecurityGroupId")]} for entry in INTERFACES]
    eks = {"Type": "AWS::EKS::Cluster", "Properties": {}}

    judged = verdict(changed(CLUSTER, {CARDS: cards, "Eks": eks}))

    assert "FABRIC-1" not in said(judged)
    assert open_questions(judged, "FABRIC-1") == [
        "security group Eks.ClusterSecurityGroupId is not in the given templates"
    ]


def test_egress_beside_the_default_rule_is_not_guessed():
    """Whether EC2's own rule survives rules of their own is nowhere written."""
    judged = verdict(
        changed(
            STORAGE,
            {
                "Servers.SecurityGroupEgress": GONE,
                "ToClientsHighOut": GONE,
                "ServersHighOut": GONE,
                "@Lustre.DependsOn": [],
            },
        )
    )

    assert "LUSTRE-13" not in said(judged)
    assert len(open_questions(judged, "LUSTRE-13")) == 1


def test_a_finding_of_one_branch_says_under_which_condition():
    """Both branches of an open condition are looked at, and equal findings are merged."""
    template = changed(
        CLUSTER,
        {
            f"{CARDS}.1.InterfaceType": {"Fn::If": ["New", "efa-only", "efa_only"]},
            "Placement.GroupName": "always",
        },
    ) | {
        "Parameters": {"Given": {"Type": "String"}},
        "Conditions": {"New": {"Fn::Equals": [ref("Given"), "yes"]}},
    }

    judged = verdict(template)
    choices = {
        rule: [dict(f.choices) for f in judged.findings if f.rule == rule]
        for rule in ("FABRIC-3", "CAPACITY-2")
    }

    assert choices == {"FABRIC-3": [{"stack0/New": False}], "CAPACITY-2": [{}]}


def test_a_template_of_nothing_known_raises_nothing():
    """Whatever is missing or unknown ends in an answer, not in an error."""
    kinds = [resource["Type"] for base in (CLUSTER, STORAGE) for resource in base.values()]
    unknown = {"Fn::Transform": {"Name": "Anything", "Parameters": {}}}
    for properties in ({}, unknown):
        resources = {
            f"R{n}": {"Type": kind, "Properties": properties} for n, kind in enumerate(kinds)
        }
        assert verdict({"Resources": resources}).findings is not None


numbers = st.sampled_from([0, 1, 12, 40, 50, 125, 300, 1200, 1300, 2400, 6000, 38400])
configurations = st.fixed_dictionaries(
    {},
    optional={
        "DeploymentType": st.sampled_from(
            ["SCRATCH_1", "SCRATCH_2", "PERSISTENT_1", "PERSISTENT_2", "PERSISTENT_3"]
        ),
        "PerUnitStorageThroughput": numbers,
        "AutomaticBackupRetentionDays": st.sampled_from([0, 7, 91]),
        "EfaEnabled": st.booleans(),
        "DriveCacheType": st.sampled_from(["NONE", "READ", "WRITE"]),
        "ThroughputCapacity": st.sampled_from([4000, 4001]),
        "DataReadCacheConfiguration": st.just({"SizingMode": "NO_CACHE"}),
        "ImportPath": st.just("s3://data"),
        "MetadataConfiguration": st.fixed_dictionaries(
            {"Mode": st.sampled_from(["AUTOMATIC", "USER_PROVISIONED"])},
            optional={"Iops": st.sampled_from([1500, 2000, 6000])},
        ),
    },
)
systems = st.fixed_dictionaries(
    {"FileSystemType": st.just("LUSTRE"), "LustreConfiguration": configurations},
    optional={
        "StorageCapacity": numbers,
        "StorageType": st.sampled_from(["SSD", "HDD", "INTELLIGENT_TIERING"]),
        "FileSystemTypeVersion": st.sampled_from(["2.12", "2.15"]),
        "KmsKeyId": st.just("alias/data"),
        "SubnetIds": st.lists(st.just("subnet-1"), max_size=2),
    },
)


@settings(max_examples=150, derandomize=True)
@given(properties=systems)
def test_no_problem_of_a_file_system_falls_between_the_rules(properties):
    """The catalogue's problems are shared out among rules, each to exactly one."""
    template = {"Resources": {"Lustre": {"Type": "AWS::FSx::FileSystem", "Properties": properties}}}
    judged = verdict(template)

    fixes = {problem.fix for problem in lustre.problems(properties)}
    told = [finding.fix for finding in judged.findings if finding.fix in fixes]
    assert set(told) == fixes


entries = st.fixed_dictionaries(
    {},
    optional={
        "NetworkCardIndex": st.integers(0, 5),
        "DeviceIndex": st.integers(0, 2),
        "InterfaceType": st.sampled_from(["interface", "efa", "efa-only", "efa_only"]),
        "AssociatePublicIpAddress": st.booleans(),
    },
)


@settings(max_examples=150, derandomize=True)
@given(stated=st.lists(entries, min_size=1, max_size=6))
def test_no_problem_of_interfaces_falls_between_the_rules(stated):
    """As above, for what EC2 refuses in a launch template."""
    data = {"InstanceType": "p4d.24xlarge", "NetworkInterfaces": stated}
    properties = {"LaunchTemplateData": data}
    template = {"Resources": {"T": {"Type": "AWS::EC2::LaunchTemplate", "Properties": properties}}}

    fixes = {problem.fix for problem in interfaces.problems("p4d.24xlarge", stated)}
    assert fixes <= {finding.fix for finding in verdict(template).findings}


@pytest.mark.parametrize(
    ("near", "far", "apart"),
    [
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, {"Fn::Select": [1, {"Fn::GetAZs": ""}]}, True),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, {"Fn::Select": [0, {"Fn::GetAZs": ""}]}, False),
        (ref("Given"), ref("Given"), False),
        (ref("Given"), "us-east-1a", None),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, ref("Given"), None),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "us-east-1a", None),
    ],
)
def test_zones_are_compared_as_far_as_a_template_tells_them(near, far, apart):
    """Two zones of one list differ whatever they are called; one parameter is one zone."""
    changes: dict[str, object] = {"Nodes.VPCZoneIdentifier": [ref("Near"), ref("Far")]}
    for name, zone in (("Near", near), ("Far", far)):
        changes |= {f"{name}.AvailabilityZoneId": GONE, f"{name}.AvailabilityZone": zone}
    judged = verdict(with_parameter(changes))

    assert ("FABRIC-12" in said(judged)) is (apart is True)
    assert (open_questions(judged, "FABRIC-12") != []) is (apart is None)


@pytest.mark.parametrize(
    ("written", "rule", "because"),
    [
        ("arn:aws:s3:::data/*", "SAFETY-12", "arn:aws: is of one partition, and the Region is"),
        (
            "1.dkr.ecr.eu-west-1.amazonaws.com/train:1",
            "SAFETY-12",
            "amazonaws.com is of one partition, and the Region is",
        ),
    ],
)
def test_a_written_partition_is_right_in_some_regions_only(written, rule, because):
    """Without a Region nobody knows; nothing is asked where nothing of a partition is written."""
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": written}}
    judged = verdict({"Resources": {"It": parameter}}, region=None)

    assert rule not in said(judged)
    assert [u.because.startswith(because) for u in judged.unknown if u.rule == rule] == [True]
    parameter["Properties"] = {"Type": "String", "Value": "eu-west-1.example.com"}
    assert rule not in {
        u.rule for u in verdict({"Resources": {"It": parameter}}, region=None).unknown
    }


def test_the_region_of_a_key_is_told_by_other_arns_or_not_at_all():
    """Nobody says where a template goes: a key of another Region than the rest stands out."""
    key = {"KmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/1"}
    group = {"Type": "AWS::Logs::LogGroup", "Properties": key}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"A": ["arn:aws:sqs:us-east-1:1:a"] * 2}}

    alone = verdict({"Resources": {"Group": group}}, region=None)
    beside = verdict({"Resources": {"Group": group, "Queue": queue}}, region=None)

    assert "SAFETY-26" not in said(alone)
    assert "SAFETY-26" in said(beside)
    assert (
        said(verdict({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}, region=None)) == set()
    )


def test_a_statement_whose_actions_are_not_known_is_no_crash():
    """What is judged is looked up before anything is read that may be unknown."""
    passing = {"Effect": "Allow", "Action": {"Ref": "Nobody"}, "Resource": "*"}
    policy = {"PolicyDocument": {"Statement": [passing]}}
    judged = verdict(
        {"Resources": {"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": policy}}}
    )

    assert "SAFETY-20" in {unknown.rule for unknown in judged.unknown}


@pytest.mark.parametrize("rule", ["CAPACITY-3", "CAPACITY-12", "CAPACITY-14"])
def test_a_reservation_that_lies_elsewhere_is_not_judged(rule: str):
    """Its place, type and count are in no template; its id alone says nothing of them."""
    target = f"{DATA}.CapacityReservationSpecification.CapacityReservationTarget"
    elsewhere = {target: {"CapacityReservationId": "cr-0123456789abcdef0"}, "Reservation": GONE}
    judged = verdict(changed(CLUSTER, elsewhere))

    assert rule not in said(judged)
    assert open_questions(judged, rule) == ["cr-0123456789abcdef0 is not in the given templates"]
