"""Names by which a sentence calls what a policy or a rule refers to."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ultracluster.templates.resolved import Encoded, Link, ResolvedResource, Text, Unknown

NOUNS: Final[Mapping[str, str]] = {
    "AWS::AutoScaling::AutoScalingGroup": "Auto Scaling group",
    "AWS::EC2::EIP": "public address",
    "AWS::EC2::NatGateway": "NAT gateway",
    "AWS::EC2::SecurityGroupEgress": "rule",
    "AWS::EC2::SecurityGroupIngress": "rule",
    "AWS::EC2::VPCEndpoint": "endpoint",
    "AWS::ECR::Repository": "image repository",
    "AWS::FSx::DataRepositoryAssociation": "link to S3",
    "AWS::IAM::ManagedPolicy": "policy",
    "AWS::PCS::Cluster": "Slurm cluster",
    "AWS::PCS::ComputeNodeGroup": "node group",
    "AWS::PCS::Queue": "Slurm queue",
    "AWS::RDS::DBCluster": "database cluster",
    "AWS::RDS::DBInstance": "database",
    "AWS::SageMaker::Cluster": "HyperPod cluster",
}
PSEUDO: Final[Mapping[str, str]] = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "ACCOUNT",
    "AWS::Region": "REGION",
    "AWS::URLSuffix": "amazonaws.com",
}
"""What stands for the values of which a template knows only the name."""
UNTOLD: Final = "(not told by the templates)"

OF_SERVICES: Final[Mapping[str, str]] = {
    "ec2.amazonaws.com": "EC2 instances",
    "lambda.amazonaws.com": "Lambda functions",
    "sagemaker.amazonaws.com": "SageMaker",
    "vpc-flow-logs.amazonaws.com": "VPC flow logs",
    "ecs-tasks.amazonaws.com": "ECS tasks",
    "states.amazonaws.com": "Step Functions",
    "events.amazonaws.com": "EventBridge",
    "logging.s3.amazonaws.com": "S3's access logs",
    "pcs.amazonaws.com": "AWS PCS",
    "cloudformation.amazonaws.com": "CloudFormation",
}


def noun(resource_type: str) -> str:
    """Return what a type is called: `AWS::EC2::PlacementGroup` is a placement group."""
    if resource_type in NOUNS:
        return NOUNS[resource_type]
    if resource_type.startswith("Custom::"):
        return f"custom resource {resource_type.removeprefix('Custom::')}"
    last = resource_type.rsplit("::", maxsplit=1)[-1]
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", last)
    return " ".join(w if w.isupper() and len(w) > 1 else w.lower() for w in words) or "resource"


def short(resource: ResolvedResource) -> str:
    """Return the path of a construct within its stack, without the children that CDK makes.

    `ultracluster/Storage/Lustre/Group/Resource` of stack Storage is `Lustre/Group`.
    """
    parts = (resource.place.construct_path or "").split("/")
    for end in range(1, len(parts)):
        if resource.place.stack in (parts[end - 1], "-".join(parts[:end])):
            parts = parts[end:]
            break
    else:
        parts = parts[-2:]
    own = [part for part in parts if part not in ("Resource", "Default")]
    return "/".join(own) or resource.place.logical_id


class Names:
    """Names of the resources of a variant."""

    def __init__(self, resources: Iterable[ResolvedResource]) -> None:
        """Hold the resources."""
        self._resources = {(r.place.stack, r.place.logical_id): r for r in resources}

    def resource(self, link: Link) -> ResolvedResource | None:
        """Return the resource that a reference leads to."""
        return self._resources.get((link.stack, link.logical_id))

    def of(self, stack: str, logical_id: str) -> str:
        """Return what a resource is called: `the bucket Data`."""
        found = self._resources.get((stack, logical_id))
        return f"the {noun(found.resource_type)} {short(found)}" if found else logical_id

    def text(self, value: Any) -> str:
        """Return a resolved value as a sentence has it."""
        if isinstance(value, Link):
            name = self.of(value.stack, value.logical_id)
            own = value.attribute in (None, "Arn", "GroupId", "SubnetId", "VpcId", "KeyId")
            return name if own else f"{value.attribute} of {name}"
        if isinstance(value, Unknown):
            return PSEUDO.get(value.symbol or "", UNTOLD)
        if isinstance(value, Encoded):
            return "encoded data"
        if isinstance(value, Text):
            return self._joined(value.parts)
        if isinstance(value, bool):
            return str(value).lower()
        return str(value)

    def readable(self, marked: str) -> str:
        """Return a text of `grants.token` with the names of what it refers to."""
        text = marked
        for piece in {part.split(">")[0] for part in marked.split("<")[1:]}:
            stack, _, rest = piece.partition("/")
            name = self.of(stack, rest.split(".")[0]) if rest else PSEUDO.get(piece, UNTOLD)
            text = text.replace(f"<{piece}>", name)
        if text.endswith("/*") and text.startswith("the "):
            return f"everything in {text.removesuffix('/*')}"
        return text

    def _joined(self, parts: tuple[Any, ...]) -> str:
        links = [part for part in parts if isinstance(part, Link)]
        if len(links) == 1:
            index = parts.index(links[0])
            # An ARN that is written around one reference is what it refers to.
            head = "".join(self.text(part) for part in parts[:index])
            tail = "".join(self.text(part) for part in parts[index + 1 :])
            name = self.text(links[0])
            if not head or head.startswith("arn:"):
                return self._inside(name, tail)
        return "".join(self.text(part) for part in parts)

    @staticmethod
    def _inside(name: str, tail: str) -> str:
        if not tail:
            return name
        if tail in ("/*", "*"):
            return f"everything in {name}" if tail == "/*" else f"{name} and what begins like it"
        return f"{tail.removeprefix('/')} in {name}" if tail.startswith("/") else f"{name}{tail}"
