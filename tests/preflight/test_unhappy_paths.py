"""What a mutation of the checks showed that no other test looked at."""

from datetime import timedelta
from typing import Any

import pytest

from tests.preflight.account import Answering, acl, always, error, image, reservation, rule, table
from tests.preflight.one import empty, finding, in_use
from tests.preflight.specs import BUCKET, GIVEN, MADE, NOW, QUEUED, SUBNETS
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN
from ultracluster.preflight.finding import Finding, Verdict
from ultracluster.preflight.preflight import preflight
from ultracluster.spec.environment import EnvironmentSpec

HTTPS_OUT = rule(100, "allow", Egress=True)[:1]
OWN_IMAGE = "ami-0bbbbbbbbbbbbbbbb"


def changed(service: str, operation: str, **members: Any) -> Answering:
    """Return an account that answers one question otherwise."""
    cloud = Answering()
    cloud.change(service, operation, always(**members))
    return cloud


def with_image(spec: EnvironmentSpec = MADE, **changes: Any) -> EnvironmentSpec:
    return spec.model_copy(update={"nodes": spec.nodes.model_copy(update=changes)})


def login(image_id: str | None) -> EnvironmentSpec:
    assert QUEUED.slurm is not None
    slurm = QUEUED.slurm.model_copy(update={"login_image": image_id})
    return QUEUED.model_copy(update={"slurm": slurm})


def images(**by_id: dict[str, Any] | None) -> Answering:
    """Return an account with these images, by id with `_` for `-`; None is no such image."""
    cloud = Answering()
    before = cloud.answers["ec2", "describe_images"]

    def described(given: Any) -> dict[str, Any]:
        name = given["ImageIds"][0]
        changes = by_id.get(name.replace("-", "_"), {})
        if changes is None:
            return error("InvalidAMIID.NotFound")(given)
        return {"Images": [image(ImageId=name, **changes)]} if changes else before(given)

    cloud.change("ec2", "describe_images", described)
    return cloud


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", COULD_NOT_RUN), ("AccessDenied", ALL_WELL)]
)
def test_one_question_without_an_answer_is_no_pass(code: str, status: int):
    """What may not be asked is said; what nobody answered leaves the whole open."""
    cloud = Answering()
    cloud.change("ec2", "describe_addresses", error(code))

    found = preflight(MADE, cloud, NOW)

    assert found.exit_status == status
    ((_, asked),) = [
        (check, each)
        for check, each in found.having(Verdict.SKIP)
        if each.question is not None and each.question.operation == "describe_addresses"
    ]
    assert asked.unanswered is (status == COULD_NOT_RUN)
    assert asked.missing_action == ("" if status else "ec2:DescribeAddresses")


def test_a_reservation_says_when_it_begins_only_where_it_has_not():
    """A reader who plans for tomorrow reads when nodes start."""
    cloud = Answering()
    row = reservation(StartDate=NOW + timedelta(hours=1), EndDate=NOW + timedelta(days=3))
    cloud.change("ec2", "describe_capacity_reservations", always(CapacityReservations=[row]))
    assert "begins 2026-11-24 13:00" in finding("capacity-reservation", cloud, GIVEN).found

    row = reservation(StartDate=NOW - timedelta(hours=1), EndDate=NOW + timedelta(days=3))
    cloud.change("ec2", "describe_capacity_reservations", always(CapacityReservations=[row]))
    said = finding("capacity-reservation", cloud, GIVEN).found
    assert "begins" not in said
    assert "ends 2026-11-27" in said


@pytest.mark.parametrize(
    ("check", "cloud", "words"),
    [
        ("subnet-addresses", changed("ec2", "describe_subnets", Subnets=[]), "see subnet-place"),
        ("vpc-routes", changed("ec2", "describe_route_tables", RouteTables=[]), "see vpc-shape"),
        ("image-architecture", images(ami_0123456789abcdef2=None), "no such image in this Region"),
    ],
)
def test_what_cannot_be_judged_names_the_check_that_says_why(
    check: str, cloud: Answering, words: str
):
    """A check that says nothing looks like one that passed."""
    found = finding(check, cloud, GIVEN)

    assert found.verdict is Verdict.SKIP
    assert words in found.found


@pytest.mark.parametrize("check", ["bucket-region", "bucket-key-policy"])
def test_an_environment_without_buckets_is_told_so(check: str):
    """Nothing was asked, which is no pass."""
    storage = GIVEN.storage.model_copy(update={"data_repositories": ()})

    found = finding(check, Answering(), GIVEN.model_copy(update={"storage": storage}))

    assert (found.verdict, "not linked to an existing bucket" in found.found) == (
        Verdict.SKIP,
        True,
    )


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (error("NoSuchBucket"), Verdict.SKIP, "see bucket-region"),
        (
            always(
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                }
            ),
            Verdict.PASS,
            "S3's own",
        ),
    ],
    ids=["no bucket", "S3's own key"],
)
def test_the_key_of_a_bucket_without_one_of_ours(answer: Any, verdict: Verdict, words: str):
    """FSx may use S3's own; of what is not there nothing is known."""
    cloud = Answering()
    cloud.change("s3", "get_bucket_encryption", answer)

    found = finding("bucket-key-policy", cloud, GIVEN)

    assert found.verdict is verdict
    assert words in found.found


@pytest.mark.parametrize("arn", [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"])
def test_a_key_may_be_bound_to_the_bucket_or_to_its_objects(arn: str):
    """With an S3 bucket key the context is the bucket's name, without one the object's."""
    policy = (
        '{"Statement": [{"Effect": "Allow", "Action": "kms:*", "Principal": "*", "Resource": "*", '
        f'"Condition": {{"StringLike": {{"kms:EncryptionContext:aws:s3:arn": "{arn}"}}}}}}]}}'
    )

    found = finding("bucket-key-policy", changed("kms", "get_key_policy", Policy=policy), GIVEN)

    assert found.verdict is Verdict.PASS


def of_acls(*acls: dict[str, Any], outside: bool = False) -> list[Finding]:
    """Return what fails where a VPC has these network ACLs."""
    cloud = changed("ec2", "describe_network_acls", NetworkAcls=list(acls))
    default = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    tables = [table(local, *([default] if outside else []))]
    cloud.change("ec2", "describe_route_tables", always(RouteTables=tables))
    (result,) = preflight(GIVEN, cloud, NOW, only=["vpc-network-acls"]).results
    return [each for each in result.findings if each.verdict is Verdict.FAIL]


def test_answers_of_aws_must_come_back():
    """An ACL has no memory: what goes out is not thereby let in."""
    subjects = {each.subject for each in of_acls(acl(HTTPS_OUT), outside=True)}

    assert {f"answers of AWS of {name}" for name in SUBNETS} <= subjects
    assert not {f"HTTPS to AWS of {name}" for name in SUBNETS} & subjects


def test_only_the_acl_of_a_subnet_is_read():
    """One of another subnet blocks nothing here, and the default one is of those without any."""
    closed = acl() | {"Associations": [{"SubnetId": "subnet-other"}, {"SubnetId": "subnet-more"}]}
    assert of_acls(closed | {"IsDefault": False}, acl(rule(100, "allow"))) == []

    named = acl() | {"Associations": [{"SubnetId": "subnet-other"}, {"SubnetId": SUBNETS[0]}]}
    found = of_acls(named | {"IsDefault": False}, acl(rule(100, "allow")))
    assert found
    assert all(SUBNETS[0] in each.subject for each in found)


def test_https_leaves_the_vpc_only_where_a_route_does():
    """Without a default route the services are endpoints in the VPC."""
    inside = acl(rule(100, "allow", CidrBlock="10.0.0.0/16"))

    assert of_acls(inside) == []
    # Within the VPC alone it is admitted in part, which is for a reader to judge.
    (result,) = preflight(
        GIVEN,
        changed("ec2", "describe_network_acls", NetworkAcls=[inside]),
        NOW,
        only=["vpc-network-acls"],
    ).results
    assert {each.verdict for each in result.findings} <= {Verdict.PASS, Verdict.SKIP}


@pytest.mark.parametrize(
    ("spec", "cloud", "subject", "words"),
    [
        (
            login(OWN_IMAGE),
            images(ami_0bbbbbbbbbbbbbbbb={"Architecture": "arm64"}),
            f"architecture of {OWN_IMAGE}",
            "in slurm.login_image",
        ),
        (
            login(OWN_IMAGE),
            images(ami_0bbbbbbbbbbbbbbbb=None),
            OWN_IMAGE,
            "ultracluster image queued --login --write",
        ),
    ],
    ids=["architecture", "missing"],
)
def test_the_image_of_login_nodes_is_judged_by_itself(
    spec: EnvironmentSpec, cloud: Answering, subject: str, words: str
):
    """It may be another one than that of the nodes, for another processor."""
    (result,) = preflight(spec, cloud, NOW, only=["login-image"]).results

    failing = [each for each in result.findings if each.verdict is Verdict.FAIL]
    assert [each.subject for each in failing] == [subject]
    assert words in failing[0].fix


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"ImageOwnerAlias": "amazon", "Name": "aws-pcs-sample"}, Verdict.PASS),
        ({"ImageOwnerAlias": "amazon", "Name": "Deep Learning Base"}, Verdict.SKIP),
        ({"ImageOwnerAlias": "self", "Name": "our-pcs"}, Verdict.SKIP),
        (None, Verdict.SKIP),
    ],
    ids=["AWS's for PCS", "AWS's for others", "one's own", "missing"],
)
def test_only_an_image_of_aws_for_pcs_is_known_to_have_slurm(
    changes: dict[str, Any] | None, verdict: Verdict
):
    """A name that anybody can give says nothing."""
    spec = with_image(login(None), image=OWN_IMAGE)
    found = (
        preflight(spec, images(ami_0bbbbbbbbbbbbbbbb=changes), NOW, only=["image-pcs-ready"])
        .results[0]
        .findings
    )

    assert {each.verdict for each in found if OWN_IMAGE in each.subject} == {verdict}


OF_EVERY = {
    *("ec2:CreateSecurityGroup", "ec2:CreateLaunchTemplate", "ec2:CreateVpcEndpoint"),
    *("fsx:CreateFileSystem", "fsx:CreateDataRepositoryAssociation", "s3:CreateBucket"),
    *("kms:CreateKey", "iam:CreateRole", "iam:PassRole", "logs:CreateLogGroup"),
    *("states:CreateStateMachine", "ssm:PutParameter", "ecr:CreateRepository"),
}
OF_NAT = {"ec2:CreateNatGateway", "ec2:AllocateAddress"}
OF_A_NETWORK = OF_NAT | {"ec2:CreateVpc", "ec2:CreateSubnet", "ec2:CreatePlacementGroup"}
OF_AUTO_SCALING = {"autoscaling:CreateAutoScalingGroup"}
OF_SLURM = {
    *("pcs:CreateCluster", "pcs:CreateComputeNodeGroup", "pcs:CreateQueue"),
    *("ec2:CreateNetworkInterface", "ec2:CreateFleet", "ec2:RunInstances"),
    *("secretsmanager:CreateSecret", "secretsmanager:TagResource", "iam:CreateInstanceProfile"),
}


def with_network(**changes: Any) -> EnvironmentSpec:
    return MADE.model_copy(update={"network": MADE.network.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("spec", "actions"),
    [
        (GIVEN, OF_EVERY | OF_AUTO_SCALING),
        (MADE, OF_EVERY | OF_AUTO_SCALING | OF_A_NETWORK),
        (QUEUED, OF_EVERY | OF_A_NETWORK | OF_SLURM),
        (
            with_network(public_subnet_cidr=None),
            (OF_EVERY | OF_AUTO_SCALING | OF_A_NETWORK) - OF_NAT,
        ),
        (
            with_network(interface_endpoints=()),
            (OF_EVERY | OF_AUTO_SCALING | OF_A_NETWORK) - {"ec2:CreateVpcEndpoint"},
        ),
    ],
    ids=["given", "made", "queued", "closed", "NAT alone"],
)
def test_each_kind_of_resource_is_asked_for(spec: EnvironmentSpec, actions: set[str]):
    """A service that CloudFormation may not use is found here, or after half of a deployment."""
    cloud = Answering()
    preflight(spec, cloud, NOW, only=["cloudformation-permissions"])

    asked = [each for each in cloud.calls if each.operation == "simulate_principal_policy"]
    assert {name for each in asked for name in each.parameters["ActionNames"]} == actions


def test_interfaces_of_the_environment_are_no_usage():
    """They are counted once: as what it asks for."""
    cloud = empty()
    rows = [{"VpcId": "vpc-own"}, {"VpcId": "vpc-other"}, {"VpcId": "vpc-other"}]
    cloud.change("ec2", "describe_network_interfaces", always(NetworkInterfaces=rows))
    own = {"Key": "ultracluster:environment", "Value": MADE.name}
    vpcs = [{"VpcId": "vpc-own", "Tags": [own]}, {"VpcId": "vpc-other"}]
    cloud.change("ec2", "describe_vpcs", always(Vpcs=vpcs))

    assert in_use(finding("quota-network-interfaces", cloud)) == 2


@pytest.mark.parametrize(
    ("row", "to_come"), [({}, 0), ({"OwnerId": "210987654321"}, 384), ({"InstanceType": "x"}, 384)]
)
def test_only_free_places_of_the_account_s_own_reservation_count_already(
    row: dict[str, Any], to_come: int
):
    """Those of another account, shared with this one, are that account's usage."""
    cloud = Answering()
    cloud.alter("ec2", "describe_capacity_reservations", **row)

    assert finding("quota-vcpus", cloud, GIVEN).found.endswith(f"to come {to_come}")


def test_a_type_that_is_sold_elsewhere_names_what_to_change():
    """Nodes decide the zone; login nodes follow them."""
    offered = {"InstanceTypeOfferings": [{"InstanceType": "m6i.xlarge", "Location": "use1-az1"}]}
    cloud = changed("ec2", "describe_instance_type_offerings", **offered)
    assert "it has to be where the nodes are" in finding("login-offering", cloud, QUEUED).fix

    offered["InstanceTypeOfferings"][0]["InstanceType"] = "p4d.24xlarge"
    cloud = changed("ec2", "describe_instance_type_offerings", **offered)
    assert "write availability_zone_id='use1-az1'" in finding("zone-offering", cloud, MADE).fix


def test_a_network_without_endpoints_asks_for_no_service():
    """Nothing is skipped in silence."""
    found = finding("endpoint-services", Answering(), with_network(interface_endpoints=()))

    assert (found.verdict, "adds no interface" in found.found) == (Verdict.SKIP, True)


def test_an_image_that_is_not_available_yet_fails():
    """It is there, and no instance starts from it."""
    found = finding("image-exists", images(ami_0123456789abcdef2={"State": "pending"}), MADE)

    assert (found.verdict, found.found) == (Verdict.FAIL, "pending")


def test_a_root_device_is_as_large_as_its_own_volume():
    """Other volumes of the image are not the root's, and a device without EBS has no size."""
    mappings = [
        {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 900}},
        {"DeviceName": "/dev/xvda", "VirtualName": "ephemeral0"},
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 75}},
    ]
    cloud = images(
        ami_0123456789abcdef2={"BlockDeviceMappings": mappings, "RootDeviceName": "/dev/xvda"}
    )

    assert "75 GiB" in finding("image-root-device", cloud, MADE).found


def of_roles(cloud: Answering) -> list[tuple[Verdict, str]]:
    (result,) = preflight(MADE, cloud, NOW, only=["service-linked-roles"]).results
    return [(each.verdict, each.found) for each in result.findings]


def test_a_role_that_a_service_will_make_is_said_to_be_missing():
    """Each of them has a line: a check that says nothing looks like one that passed."""
    cloud = Answering()
    assert of_roles(cloud) == [(Verdict.PASS, "there")] * 2

    cloud.change("iam", "get_role", error("NoSuchEntity"))
    made = "does not exist; the service creates it at its first use"
    assert of_roles(cloud) == [(Verdict.PASS, made)] * 2

    cloud.change("iam", "simulate_principal_policy", error("NoSuchEntity"))
    assert [verdict for verdict, _ in of_roles(cloud)] == [Verdict.SKIP] * 2


@pytest.mark.parametrize(
    ("code", "words", "unanswered"),
    [("NoSuchEntity", "no such role: bootstrap first", False), ("Throttling", "no answer", True)],
)
def test_without_a_bootstrap_stack_nothing_is_simulated(code: str, words: str, *, unanswered: bool):
    """Another error is no reason to bootstrap."""
    cloud = Answering()
    cloud.change("iam", "simulate_principal_policy", error(code))

    found = finding("cloudformation-permissions", cloud)

    assert (found.verdict, found.unanswered) == (Verdict.SKIP, unanswered)
    assert words in found.found
