"""Templates to review: ours, a stranger's, and some that no picture was made for."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.rules.cluster_templates import CLUSTER, NETWORK, STORAGE, ref, resource
from tests.rules.service_templates import HYPERPOD, JOB, PCS
from ultracluster.review.baseline import baseline
from ultracluster.review.drawing.picture import Figure
from ultracluster.review.report import Review, review
from ultracluster.review.subject import of_files
from ultracluster.spec.environment import EnvironmentSpec

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
GOLDEN: Final = ROOT / "golden"
ENVIRONMENTS: Final = ("dev", "staging", "ultracluster")
HUGE: Final = "W" * 255
MARKUP: Final = '</title><script>alert("x")</script>&amp;"\'`|<img src=x onerror=alert(1)>'


def golden(environment: str) -> list[str]:
    """Return the files of an environment."""
    return [str(path) for path in sorted((GOLDEN / environment).glob("*.template.json"))]


def reviewed(
    files: list[str],
    before: str | None = "none",
    *,
    spec: EnvironmentSpec | None = None,
    **options: Any,
) -> Review:
    """Return the review of files."""
    subject = of_files(files, spec=spec)
    options = {"parameters": {}, "region": "us-east-1"} | options
    return review(subject, baseline(before, subject), **options)


def figures(path: Path, body: Mapping[str, Any], **options: Any) -> list[Figure]:
    """Return the figures of one template."""
    path.write_text(json.dumps(body))
    return list(reviewed([str(path)], **options).figures)


def subnets(count: int, name: str = "S", **properties: Any) -> dict[str, Any]:
    """Return a VPC with some subnets, over three zones."""
    made = {
        f"{name}{number}": resource(
            "AWS::EC2::Subnet",
            {
                "VpcId": ref("Vpc"),
                "CidrBlock": f"10.0.{number}.0/24",
                "AvailabilityZoneId": f"use1-az{1 + number % 3}",
                **properties,
            },
        )
        for number in range(count)
    }
    return {"Vpc": resource("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}), **made}


def many_nodes(count: int) -> dict[str, Any]:
    """Return instances of many types, each in a subnet of its own."""
    types = ("p4d.24xlarge", "p5.48xlarge", "trn1.32xlarge", "g5.48xlarge", "m5.large", "p6e-gb200")
    return {
        **subnets(count),
        **{
            f"Node{number}": resource(
                "AWS::EC2::Instance",
                {"InstanceType": types[number % len(types)], "SubnetId": ref(f"S{number}")},
            )
            for number in range(count)
        },
    }


def wide_roles() -> dict[str, Any]:
    """Return a role with more statements than a row holds, and names that need escaping."""
    statements = [
        {"Effect": "Allow", "Action": f"service{n}:Get{'X' * n}", "Resource": f"arn:a:b:::{HUGE}"}
        for n in range(40)
    ]
    role = {
        "AssumeRolePolicyDocument": {
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
                {"Effect": "Allow", "Principal": {"Service": MARKUP}, "Action": "sts:AssumeRole"},
            ]
        },
        "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": statements}}],
    }
    return {HUGE: resource("AWS::IAM::Role", role)}


def strange() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield templates by a name for the test."""
    yield "nothing of ours", {"Queue": resource("AWS::SQS::Queue", {})}
    yield "no resources", {}
    yield "no subnets", subnets(0)
    yield "40 subnets", subnets(40)
    yield "40 subnets with nodes", many_nodes(40)
    second = resource("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16"})
    far = resource("AWS::EC2::Subnet", {"VpcId": ref("Other"), "CidrBlock": "10.1.0.0/28"})
    yield "two VPCs", {**subnets(2), "Other": second, "Far": far}
    yield (
        "huge names",
        {**{HUGE if k == "Near" else k: v for k, v in json.loads(_huge(CLUSTER)).items()}},
    )
    yield "markup in names", {MARKUP: resource("AWS::S3::Bucket", {}), **wide_roles()}
    yield "a cluster", dict(CLUSTER)
    yield "storage", dict(STORAGE)
    yield "a training job", dict(JOB)
    yield "HyperPod", dict(HYPERPOD)
    yield "Slurm", dict(PCS)
    yield "a network alone", dict(NETWORK)
    yield (
        "wrong everywhere",
        {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "no block"}},
            "S": {"Type": "AWS::EC2::Subnet", "Properties": []},
            "T": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": ref("Vpc"), "CidrBlock": "x/9"},
            },
            "N": {"Type": "AWS::EC2::Instance", "Properties": {"NetworkInterfaces": "none"}},
            "F": {"Type": "AWS::FSx::FileSystem", "Properties": {"FileSystemType": "LUSTRE"}},
            "R": {"Type": "AWS::IAM::Role"},
            "G": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupIngress": 7}},
            "L": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": None}},
        },
    )


def _huge(body: Mapping[str, Any]) -> str:
    return json.dumps(body).replace('"Near"', f'"{HUGE}"')


STRANGE: Final = dict(strange())


def planted(folder: Path) -> list[str]:
    """Return the templates of our largest environment, changed in many dangerous ways."""
    paths = sorted((GOLDEN / "ultracluster").glob("*.template.json"))
    bodies = {path.name: json.loads(path.read_text()) for path in paths}
    for name, body in bodies.items():
        body["Description"] = "changed"
        for found in body["Resources"].values():
            if found["Type"] in HARM:
                HARM[found["Type"]](found)
        gone = [n for n in body["Resources"] if n.startswith("NetworkEndpointssts")]
        for resource_name in gone:
            del body["Resources"][resource_name]
        (folder / name).write_text(json.dumps(body, indent=1))
    return [f"ultracluster-{name.partition('.')[0]}={folder / name}" for name in bodies]


def _lustre(found: dict[str, Any]) -> None:
    found["DeletionPolicy"] = "Delete"
    found["Properties"]["LustreConfiguration"]["PerUnitStorageThroughput"] = 500
    found["Properties"]["SubnetIds"] = ["subnet-0123456789abcdef0"]


def _policy(found: dict[str, Any]) -> None:
    statement = found["Properties"]["PolicyDocument"]["Statement"][0]
    statement |= {"Action": "*", "Resource": "*"}


def _open(found: dict[str, Any]) -> None:
    found["Properties"]["SecurityGroupIngress"] = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]


HARM: Final[dict[str, Callable[[dict[str, Any]], None]]] = {
    "AWS::FSx::FileSystem": _lustre,
    "AWS::IAM::ManagedPolicy": _policy,
    "AWS::EC2::SecurityGroup": _open,
    "AWS::EC2::CapacityReservation": lambda r: r["Properties"].update(InstanceCount=256),
    "AWS::AutoScaling::AutoScalingGroup": lambda r: r["Properties"].update(MaxSize="256"),
}
