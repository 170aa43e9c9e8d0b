"""An account that answers: everything an environment needs is there, until a test changes it."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.preflight.specs import ACCOUNT, IMAGE, KEY, MADE, RESERVATION, ROLE, SUBNETS, VPC
from ultracluster.aws import CloudError
from ultracluster.catalogue.images import EXAMPLE_IMAGE
from ultracluster.emulator.quotas import QUOTAS
from ultracluster.preflight.inquiry import Question

PCS_IMAGE = "ami-0123456789abcdef1"
UBUNTU = (PCS_IMAGE, EXAMPLE_IMAGE)
OTHER_VCPUS = {"p3.16xlarge": 64, "m6i.xlarge": 4, "p3.2xlarge": 8, "c7i.8xlarge": 32}
Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


def error(code: str, message: str = "no") -> Answer:
    """Return an answer that is a refusal."""

    def refuse(_: Mapping[str, Any]) -> dict[str, Any]:
        raise CloudError("some", "call", code, message)

    return refuse


def always(**members: Any) -> Answer:
    """Return the same answer to everybody."""
    return lambda _: members


class Answering:
    """A `Cloud` that answers from a table, and remembers what it was asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.answers = good()
        self.quotas = {quota.code: 1_000_000.0 for quota in QUOTAS}
        self.calls: list[Question] = []
        self.spans: list[tuple[float, float]] = []
        self._lock = threading.Lock()
        self.answers["service-quotas", "list_service_quotas"] = self._list_quotas

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Answer after a while."""
        begun = time.monotonic()
        time.sleep(self.seconds)
        with self._lock:
            self.calls.append(Question(service, operation, parameters))
            self.spans.append((begun, time.monotonic()))
        return self.answers[service, operation](parameters)

    def change(self, service: str, operation: str, answer: Answer) -> None:
        """Answer one operation otherwise."""
        assert (service, operation) in self.answers
        self.answers[service, operation] = answer

    def alter(self, service: str, operation: str, **members: Any) -> None:
        """Change members of the first row of an answer."""
        before = self.answers[service, operation]

        def answer(parameters: Mapping[str, Any]) -> dict[str, Any]:
            found = before(parameters)
            ((key, (first, *others)),) = found.items()
            kept = {name: value for name, value in (first | members).items() if value is not None}
            return {key: [kept, *others]}

        self.answers[service, operation] = answer

    def _list_quotas(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "Quotas": [
                {
                    "ServiceCode": quota.service,
                    "QuotaCode": quota.code,
                    "QuotaName": quota.name,
                    "Value": self.quotas[quota.code],
                    "Adjustable": True,
                }
                for quota in QUOTAS
                if quota.service == parameters["ServiceCode"] and quota.code in self.quotas
            ]
        }


def good() -> dict[tuple[str, str], Answer]:
    """Return the answers of an account that lacks nothing."""
    return {
        ("sts", "get_caller_identity"): always(
            Account=ACCOUNT, Arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/me"
        ),
        ("service-quotas", "list_aws_default_service_quotas"): always(Quotas=[]),
        ("ec2", "describe_instances"): always(Reservations=[]),
        ("ec2", "describe_instance_types"): lambda given: {
            "InstanceTypes": [
                {"InstanceType": name, "VCpuInfo": {"DefaultVCpus": OTHER_VCPUS[name]}}
                for name in given["InstanceTypes"]
            ]
        },
        ("ec2", "describe_capacity_reservations"): always(CapacityReservations=[reservation()]),
        ("ec2", "describe_network_interfaces"): always(NetworkInterfaces=[]),
        ("ec2", "describe_vpcs"): always(
            Vpcs=[{"VpcId": VPC, "CidrBlock": "10.0.0.0/16", "InstanceTenancy": "default"}]
        ),
        ("ec2", "describe_addresses"): always(Addresses=[]),
        ("ec2", "describe_vpc_endpoints"): always(VpcEndpoints=[]),
        ("ec2", "describe_subnets"): always(Subnets=[subnet(i) for i in range(len(SUBNETS))]),
        ("ec2", "describe_vpc_attribute"): lambda given: {
            given["Attribute"][0].upper() + given["Attribute"][1:]: {"Value": True}
        },
        ("ec2", "describe_route_tables"): always(RouteTables=[table()]),
        ("ec2", "describe_network_acls"): always(NetworkAcls=[acl(rule(100, "allow"))]),
        ("ec2", "describe_instance_type_offerings"): lambda given: {
            "InstanceTypeOfferings": [
                {"InstanceType": name, "Location": zone}
                for name in given["Filters"][0]["Values"]
                for zone in ("use1-az1", "use1-az6")
            ]
        },
        ("ec2", "describe_vpc_endpoint_services"): lambda _: {
            "ServiceDetails": [
                {
                    "ServiceName": f"com.amazonaws.us-east-1.{name}",
                    "AvailabilityZoneIds": ["use1-az1", "use1-az6"],
                }
                for name in MADE.network.interface_endpoints
            ]
        },
        ("ec2", "describe_images"): lambda given: {
            "Images": [
                image(
                    ImageId=given["ImageIds"][0],
                    RootDeviceName="/dev/sda1" if given["ImageIds"][0] in UBUNTU else "/dev/xvda",
                )
            ]
        },
        ("ssm", "get_parameter"): lambda given: {
            "Parameter": {
                "Value": "21"
                if "bootstrap" in given["Name"]
                else (PCS_IMAGE if "/pcs/" in given["Name"] else IMAGE)
            }
        },
        ("ssm", "get_parameters_by_path"): lambda given: {
            "Parameters": [
                {"Name": f"{given['Path']}/{name}", "Value": name}
                for name in ("us-east-1", "eu-west-1")
            ]
        },
        ("pcs", "list_clusters"): always(clusters=[]),
        ("pcs", "list_tags_for_resource"): always(tags={}),
        ("fsx", "describe_file_systems"): always(FileSystems=[file_system()]),
        ("sagemaker", "list_training_jobs"): always(TrainingJobSummaries=[]),
        ("sagemaker", "describe_training_job"): always(
            ResourceConfig={"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 3}
        ),
        ("s3", "get_bucket_location"): always(LocationConstraint=None),
        ("s3", "get_bucket_encryption"): always(
            ServerSideEncryptionConfiguration={
                "Rules": [
                    {
                        "ApplyServerSideEncryptionByDefault": {
                            "SSEAlgorithm": "aws:kms",
                            "KMSMasterKeyID": KEY,
                        }
                    }
                ]
            }
        ),
        ("kms", "describe_key"): always(
            KeyMetadata={"KeyId": KEY, "KeyManager": "CUSTOMER", "KeyState": "Enabled"}
        ),
        ("kms", "get_key_policy"): always(Policy=KEY_POLICY),
        ("iam", "get_role"): lambda given: {
            "Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/team/{given['RoleName']}"}
        },
        ("iam", "simulate_principal_policy"): simulated,
    }


KEY_POLICY = f"""{{"Statement": [
    {{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::{ACCOUNT}:root"}},
      "Action": "kms:*", "Resource": "*"}},
    {{"Effect": "Allow", "Principal": "*", "Resource": "*",
      "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"],
      "Condition": {{
        "StringEquals": {{"kms:CallerAccount": "{ACCOUNT}",
                          "kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        "ArnLike": {{"aws:PrincipalArn": "{ROLE}"}}}}}}
]}}"""


def simulated(given: Mapping[str, Any], **decisions: str) -> dict[str, Any]:
    """Answer the simulator: everything is allowed but what is named by its action's last word."""
    return {
        "EvaluationResults": [
            {
                "EvalActionName": action,
                "EvalResourceName": given["ResourceArns"][0],
                "EvalDecision": decisions.get(action.split(":")[1], "allowed"),
            }
            for action in given["ActionNames"]
        ]
    }


def reservation(**changes: Any) -> dict[str, Any]:
    """Return the reservation of four nodes."""
    return {
        "CapacityReservationId": RESERVATION,
        "OwnerId": ACCOUNT,
        "InstanceType": "p4d.24xlarge",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZoneId": "use1-az6",
        "Tenancy": "default",
        "TotalInstanceCount": 4,
        "AvailableInstanceCount": 4,
        "State": "active",
        "ReservationType": "default",
        **changes,
    }


def subnet(index: int, **changes: Any) -> dict[str, Any]:
    """Return one of the given subnets."""
    return {
        "SubnetId": SUBNETS[index],
        "VpcId": VPC,
        "CidrBlock": f"10.0.{index}.0/24",
        "AvailabilityZoneId": "use1-az6",
        "AvailableIpAddressCount": 251,
        "MapPublicIpOnLaunch": False,
        **changes,
    }


def table(*routes: dict[str, Any]) -> dict[str, Any]:
    """Return the VPC's main route table; it leads to a NAT gateway unless routes are given."""
    default = {
        "DestinationCidrBlock": "0.0.0.0/0",
        "NatGatewayId": "nat-0123456789abcdef0",
        "State": "active",
    }
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}
    return {
        "RouteTableId": "rtb-0123456789abcdef0",
        "Associations": [{"Main": True}],
        "Routes": [local, *(routes or (default,))],
    }


def rule(number: int, action: str, **changes: Any) -> list[dict[str, Any]]:
    """Return a rule of a network ACL, one for each direction."""
    return [
        {
            "RuleNumber": number,
            "RuleAction": action,
            "Protocol": "-1",
            "CidrBlock": "0.0.0.0/0",
            "Egress": egress,
            **changes,
        }
        for egress in (True, False)
    ]


def acl(*rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the VPC's default network ACL, with AWS's last rule."""
    entries = [entry for pair in (*rules, rule(32767, "deny")) for entry in pair]
    return {
        "NetworkAclId": "acl-0123456789abcdef0",
        "IsDefault": True,
        "Associations": [],
        "Entries": entries,
    }


def image(**changes: Any) -> dict[str, Any]:
    """Return an image like Amazon's."""
    return {
        "ImageId": IMAGE,
        "Name": "Deep Learning Base",
        "State": "available",
        "Architecture": "x86_64",
        "BootMode": "uefi-preferred",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 75}}],
        **changes,
    }


def file_system(**changes: Any) -> dict[str, Any]:
    """Return somebody else's file system."""
    return {
        "FileSystemId": "fs-0123456789abcdef0",
        "Lifecycle": "AVAILABLE",
        "StorageCapacity": 1200,
        "StorageType": "SSD",
        "LustreConfiguration": {"DeploymentType": "PERSISTENT_2"},
        "Tags": [],
        **changes,
    }
