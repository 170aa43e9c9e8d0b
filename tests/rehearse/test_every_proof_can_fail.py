"""No check of a proof is true whatever AWS answers.

The answers about a deployed environment are kept; then each value in them is another one, alone. A
check that no such answer makes false proves nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from environments.dev import DEV
from environments.staging import STAGING
from environments.ultracluster import ULTRACLUSTER
from tests.rehearse.conftest import Deployer
from tests.rehearse.kept_answers import (
    DATA,
    IN_JSON,
    Answered,
    Answers,
    Call,
    Path,
    checks,
    failing,
    never_false,
)
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import CHECKS_OFF, SIZES
from ultracluster.prove.deployment import Deployment
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec
from ultracluster.spec.users import UsersSpec

CHECKS = {
    "every resource of every stack": (5, 5),
    "every service": (1, 1),
    "network": (12, 12),
    "security groups": (16, 16),
    "launch template": (8, 8),
    "placement and capacity": (3, 9),
    "nodes": (5, 16),
    "Slurm": (1, 21),
    "Lustre": (10, 14),
    "homes": (1, 1, 9),
    "data bucket": (5, 5),
    "roles": (7, 7),
    "policies": (14, 16),
    "image repository": (2, 2),
    "job parameters": (7, 8),
    "unattended training": (9, 9),
    "budget": (8, 8),
    "idle capacity": (1, 7),
    "alarms": (4, 4),
}
"""How many checks of `dev` and of `ultracluster` each area has, and of the storage of `staging`
where it alone has something: nobody misses one that is gone."""


@pytest.fixture(scope="module")
def answered(deployer: Deployer) -> list[Answered]:
    """Environments, deployed once, and all that was answered of them."""
    found = []
    for spec, but, areas in (
        (DEV, "", tuple(PROOFS)),
        (ULTRACLUSTER, "", tuple(PROOFS)),
        (STAGING, "Cluster", ("homes",)),
    ):
        deployed = deployer.deploy(spec, but=but)
        stacks = tuple(stack for stack in deployed.stacks if stack.construct_id != but)
        cloud = Answers(deployed.cloud)
        for area in areas:
            checks((spec, stacks, cloud), area)
        cloud.cloud = None
        found.append((spec, stacks, cloud))
    return found


@pytest.mark.parametrize("area", PROOFS)
def test_every_check_is_false_for_some_answer(answered: list[Answered], area: str):
    """In each environment by itself."""
    for given, count in zip(answered, CHECKS[area], strict=False):
        assert never_false(given, area) == set()
        assert len(checks(given, area)) == count


def also(row: Any) -> Callable[[Any], Any]:
    """Return the change that puts a row before those that are there."""
    return lambda rows: [row, *rows] if isinstance(rows, list) else rows


def without(*keys: str) -> Callable[[Any], Any]:
    return lambda value: {key: each for key, each in value.items() if key not in keys}


def always(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def of_addresses(free: int) -> Callable[[Any], Any]:
    """Return the change after which the first subnet has so many, and any other none."""
    return lambda rows: [
        {**each, "AvailableIpAddressCount": 0 if index else free} for index, each in enumerate(rows)
    ]


def of_instances(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tags of which instances have none."""
    return [{**each, "Tags": []} if each["ResourceType"] == "instance" else each for each in given]


ALARMS, LAUNCHED = ("cloudwatch", "describe_alarms"), ("ec2", "describe_launch_template_versions")
ENDPOINTS, BUCKET = ("ec2", "describe_vpc_endpoints"), ("s3", "get_bucket_policy")
LOG_GROUPS, PCS_GROUP = ("logs", "describe_log_groups"), ("pcs", "get_compute_node_group")
OTHER_LOGS = {"logGroupName": "/aws/vendedlogs/pcs/pcs_another/PCS_SCHEDULER_LOGS"}
STRANGE = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::another"}
TLS = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
TRUST = ("Role", "AssumeRolePolicyDocument", "Statement", "*", "Condition")
PERIOD = ("MetricAlarms", "*", "Period")
POLICY = ("Policy", IN_JSON, "Statement")
SUBNETS = ("ec2", "describe_subnets")
MOST = ("computeNodeGroup", "scalingConfiguration", "maxInstanceCount")
NEEDED = sum(DEV.address_demand()[name] for name in ("nodes", "SageMaker"))
DEPUTY = "confused-deputy conditions of the execution role"
UNENCRYPTED = "refusal of requests without TLS"


def row(
    environment: str, area: str, call: Call, path: Path, change: Callable[[Any], Any], *wrong: str
) -> tuple[str, str, Call, Path, Callable[[Any], Any], set[str]]:
    return environment, area, call, path, change, set(wrong)


SLURM_PORTS = ("6817-6819", "60001-63000")
GROUPS, FABRIC = (
    ("ec2", "describe_security_groups"),
    "fabric group's rule for itself, all protocols",
)


def of_direction(way: str) -> Iterator[str]:
    """Yield the checks of the rules in one direction, of every group."""
    yield f"{FABRIC}, {way}"
    for ports in ("988-988", "1018-1023"):
        for rule in ("nodes' rule for Lustre", "servers' own rule", "servers' rule for nodes"):
            yield f"{rule} TCP {ports} {way}"


EXACT: dict[str, tuple[str, str, Call, Path, Callable[[Any], Any], set[str]]] = {
    "a quarter of an hour": row("ultracluster", "idle capacity", ALARMS, PERIOD, always(450)),
    "longer": row(
        "ultracluster", "idle capacity", ALARMS, PERIOD, always(451), "minutes until it goes off"
    ),
    "no interface": row(
        "ultracluster",
        "launch template",
        LAUNCHED,
        (*DATA, "NetworkInterfaces"),
        always([]),
        "interfaces, layout address-per-card",
        "groups of every interface",
    ),
    "one interface in no group": row(
        "ultracluster",
        "launch template",
        LAUNCHED,
        (*DATA, "NetworkInterfaces"),
        lambda given: [*given[:-1], {**given[-1], "Groups": []}],
        "groups of every interface",
    ),
    "as many instances as the size manages": row(
        *("ultracluster", "Slurm", PCS_GROUP, MOST), always(SIZES["LARGE"] // 2)
    ),
    "more of them": row(
        *("ultracluster", "Slurm", PCS_GROUP, MOST),
        always(SIZES["LARGE"] // 2 + 1),
        "instances that the size manages",
    ),
    "as many addresses as are needed": row(
        *("dev", "network", SUBNETS, ("Subnets",)), of_addresses(NEEDED)
    ),
    "one address less": row(
        *("dev", "network", SUBNETS, ("Subnets",)), of_addresses(NEEDED - 1), "free addresses"
    ),
    "a tag of another environment": row(
        "ultracluster",
        "launch template",
        LAUNCHED,
        (*DATA, "TagSpecifications", "*", "Tags"),
        always([{"Key": ENVIRONMENT_TAG, "Value": "another"}]),
        "what is launched with the environment's tag",
    ),
    "tags of other things than instances": row(
        "ultracluster",
        "Slurm",
        LAUNCHED,
        (*DATA, "TagSpecifications"),
        of_instances,
        "tags of login nodes",
    ),
    "no rule lets anything in": row(
        *("ultracluster", "security groups", GROUPS, ("SecurityGroups", "*", "IpPermissions")),
        always([]),
        *of_direction("in"),
    ),
    "no rule lets anything out": row(
        *(
            "ultracluster",
            "security groups",
            GROUPS,
            ("SecurityGroups", "*", "IpPermissionsEgress"),
        ),
        always([]),
        *of_direction("out"),
        "nodes' rule for HTTPS out",
    ),
    "nothing reaches the controller": row(
        *("ultracluster", "Slurm", GROUPS, ("SecurityGroups", "*", "IpPermissions")),
        always([]),
        *(f"Slurm group's rule for itself, TCP {ports}, in" for ports in SLURM_PORTS),
        "peers that the Slurm group admits",
    ),
    "the controller reaches nothing": row(
        *("ultracluster", "Slurm", GROUPS, ("SecurityGroups", "*", "IpPermissionsEgress")),
        always([]),
        *(f"Slurm group's rule for itself, TCP {ports}, out" for ports in SLURM_PORTS),
    ),
    "names that are not private": row(
        "ultracluster",
        "network",
        ENDPOINTS,
        ("VpcEndpoints", "*", "PrivateDnsEnabled"),
        always(value=False),
        "interface endpoints with private DNS",
    ),
    "a gateway of another service": row(
        "ultracluster",
        "network",
        ENDPOINTS,
        ("VpcEndpoints",),
        also(
            {
                "ServiceName": "com.amazonaws.us-east-1.dynamodb",
                "VpcEndpointType": "Gateway",
                "RouteTableIds": ["rtb-another"],
            }
        ),
    ),
    "logs whose name begins like it": row(
        "ultracluster", "unattended training", LOG_GROUPS, ("logGroups",), also(OTHER_LOGS)
    ),
    "logs of another cluster": row(
        "ultracluster", "Slurm", LOG_GROUPS, ("logGroups",), also(OTHER_LOGS)
    ),
    "a source of another cluster": row(
        "ultracluster",
        "Slurm",
        ("logs", "describe_delivery_sources"),
        ("deliverySources",),
        lambda rows: [*rows, {**rows[0], "logType": "ANOTHER", "resourceArns": ["another"]}],
    ),
    "health checks that are off": row(
        "ultracluster",
        "nodes",
        PCS_GROUP,
        ("computeNodeGroup",),
        lambda given: {**given, "instanceHealthChecks": CHECKS_OFF},
    ),
    "a refusal with TLS as well": row(
        "ultracluster",
        "data bucket",
        BUCKET,
        (*POLICY, "*", "Condition"),
        always({}),
        UNENCRYPTED,
    ),
    "a file system of another environment": row(
        "staging",
        "homes",
        ("efs", "describe_file_systems"),
        ("FileSystems",),
        also({"FileSystemId": "fs-0", "Tags": [{"Key": ENVIRONMENT_TAG, "Value": "another"}]}),
    ),
    "a refusal of something else, of homes": row(
        "staging", "homes", ("efs", "describe_file_system_policy"), POLICY, also(STRANGE)
    ),
    "a refusal of something else": row(
        "ultracluster", "data bucket", BUCKET, POLICY, also(STRANGE)
    ),
    "a refusal of another place": row(
        "ultracluster", "data bucket", BUCKET, POLICY, also(STRANGE | TLS)
    ),
    "no refusal of the objects": row(
        "ultracluster",
        "data bucket",
        BUCKET,
        (*POLICY, "*", "Resource"),
        lambda given: given[:1] if isinstance(given, list) else given,
        UNENCRYPTED,
    ),
    "a job of any account": row(
        "ultracluster", "roles", ("iam", "get_role"), TRUST, without("StringEquals"), DEPUTY
    ),
    "any job of the account": row(
        "ultracluster", "roles", ("iam", "get_role"), TRUST, without("ArnLike"), DEPUTY
    ),
    "a refusal of every action": row(
        "ultracluster",
        "roles",
        ("iam", "get_policy_version"),
        ("PolicyVersion", "Document", "Statement"),
        also({"Effect": "Deny", "Action": "*", "Resource": "*"}),
    ),
    "metadata servers without a mode": row(
        "ultracluster",
        "Lustre",
        ("fsx", "describe_file_systems"),
        ("FileSystems", "*", "LustreConfiguration"),
        without("MetadataConfiguration"),
        "MetadataConfiguration of the file system",
    ),
}
"""Environment, area, call, place, change, and the checks that are false then: at a limit, and where
something is somebody else's, none."""


@pytest.mark.parametrize("name", EXACT)
def test_one_answer_makes_one_check_false(answered: list[Answered], name: str):
    """And one that is as good makes none false."""
    environment, area, call, path, change, wrong = EXACT[name]
    (given,) = (each for each in answered if each[0].name == environment)
    given[2].altered = call, path, change

    found = checks(given, area)
    given[2].altered = None

    assert failing(found) == wrong, [str(each) for each in found if not each.ok]


def part(of: Any, **changes: Any) -> Any:
    """Return a part of a spec as nobody could write it, for a proof alone to see."""
    return type(of).model_construct(**{**vars(of), **changes})


assert ULTRACLUSTER.slurm is not None
SLURM, NODES = ULTRACLUSTER.slurm, ULTRACLUSTER.nodes
BLOCK = CapacityBlockSpec(capacity_reservation_id="cr-0123456789abcdef0")
BOUGHT = CapacityReservationSpec(capacity_reservation_id="cr-0123456789abcdef0")
WATCHED = ULTRACLUSTER.observability
WISHES: dict[str, tuple[EnvironmentSpec, str, dict[str, Any], set[str]]] = {
    "no budget": (DEV, "budget", {"region": "cn-north-1"}, {"budgets"}),
    "no alarms": (ULTRACLUSTER, "alarms", {"observability": None}, {"alarms on measurements"}),
    "an alarm less": (
        ULTRACLUSTER,
        "alarms",
        {"observability": part(WATCHED, without=("nat-ports",))},
        {"alarms left out", "alarms on what AWS measures"},
    ),
    "a Capacity Block": (
        ULTRACLUSTER,
        "placement and capacity",
        {"nodes": part(NODES, capacity_reservation=None, capacity_block=BLOCK)},
        {"Capacity Block of the nodes", "market type"},
    ),
    "nodes of a Capacity Block": (
        ULTRACLUSTER,
        "nodes",
        {"nodes": part(NODES, capacity_block=BLOCK)},
        {"purchase option of the nodes"},
    ),
    "capacity that was bought": (
        ULTRACLUSTER,
        "placement and capacity",
        {"nodes": part(NODES, capacity_reservation=BOUGHT)},
        {"reservation of the nodes"},
    ),
    "an alarm on what was bought": (
        ULTRACLUSTER,
        "idle capacity",
        {"nodes": part(NODES, capacity_reservation=BOUGHT)},
        {"reservation that the alarm watches"},
    ),
    "no login nodes": (
        ULTRACLUSTER,
        "nodes",
        {"slurm": part(SLURM, login_instance_type=None)},
        {"node groups, and their fewest and most nodes"},
    ),
    "a file system without a capacity": (
        ULTRACLUSTER,
        "Lustre",
        {"storage": part(ULTRACLUSTER.storage, capacity_gib=None)},
        set(),
    ),
    "users without accounts": (
        ULTRACLUSTER,
        "Slurm",
        {"slurm": part(SLURM, users=UsersSpec.model_construct(users=(), accounts=()))},
        set(),
    ),
    "a queue that is not the default": (
        ULTRACLUSTER,
        "Slurm",
        {"slurm": part(SLURM, queues=(*SLURM.queues, *SLURM.queues))},
        set(),
    ),
}
"""Environment, area, other wishes, and the checks that are false then."""


@pytest.mark.parametrize("name", WISHES)
def test_another_wish_makes_its_checks_false(answered: list[Answered], name: str):
    """What is there is compared with the spec, and not with itself."""
    spec, area, changes, wrong = WISHES[name]
    _, stacks, cloud = next(given for given in answered if given[0].name == spec.name)

    found = checks((part(spec, **changes), stacks, cloud), area)

    assert failing(found) == wrong, [str(each) for each in found if not each.ok]


def test_what_is_not_asked_for_is_looked_at_no_further(answered: list[Answered]):
    """Without alarms there are none to compare; without a budget nobody is notified."""
    _, (spec, stacks, cloud), _ = answered
    unwatched = part(spec, observability=None)
    bare = [replace(s, template={"Resources": of_no_alarm(s.template)}) for s in stacks]
    assert [(c.subject, c.ok) for c in checks((unwatched, tuple(bare), cloud), "alarms")] == [
        ("alarms on measurements", True)
    ]
    none = part(spec, slurm=part(SLURM, login_instance_type=None))
    assert "tags of login nodes" not in {c.subject for c in checks((none, stacks, cloud), "Slurm")}
    in_china = part(spec, region="cn-north-1")
    assert [c.subject for c in checks((in_china, stacks, cloud), "budget")] == ["budgets"]


def of_no_alarm(template: Mapping[str, Any]) -> dict[str, Any]:
    resources: dict[str, dict[str, Any]] = template["Resources"]
    return {n: each for n, each in resources.items() if each["Type"] != "AWS::CloudWatch::Alarm"}


def test_what_is_the_users_own_is_taken_as_it_is_named(answered: list[Answered]):
    """A reservation that was bought, and a topic that is read by nobody whom AWS shows."""
    _, (spec, stacks, cloud), _ = answered
    deployment = Deployment(cloud, stacks)
    bought = CapacityReservationSpec.model_construct(
        **{
            **vars(NODES.capacity_reservation),
            "capacity_reservation_id": deployment.id_at("Cluster", "Placement/Reservation"),
        }
    )
    topic = deployment.id_at("Cluster", "Alarms/Topic/Resource")
    named = part(
        spec,
        nodes=part(NODES, capacity_reservation=bought),
        budget=part(spec.budget, notify=(topic,)),
    )

    for area in ("placement and capacity", "idle capacity"):
        assert failing(checks((named, stacks, cloud), area)) == set()


def test_what_was_not_made_is_one_check_of_its_own(answered: list[Answered]):
    """The others of its area are still looked at."""
    _, (spec, stacks, cloud), _ = answered
    lost = {
        f"Lost{number}": {"Type": kind, "Metadata": {"aws:cdk:path": f"any/Cluster/{path}"}}
        for number, (kind, path) in enumerate(
            [("AWS::IAM::ManagedPolicy", "Lost"), ("AWS::CloudWatch::Alarm", "Observability/Lost")]
        )
    }
    *others, cluster = stacks
    more = {"Resources": {**cluster.template["Resources"], **lost}}
    found = (spec, (*others, replace(cluster, template=more)), cloud)

    assert failing(checks(found, "policies")) == {"policy Lost"}
    assert len(checks(found, "policies")) == CHECKS["policies"][1] + 1
    assert failing(checks(found, "alarms")) == set()
