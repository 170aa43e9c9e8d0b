"""SAFETY rules about nodes: what they run, and what they open."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ultracluster.model.model import Model
from ultracluster.model.nodes import Node
from ultracluster.model.shell_branches import living
from ultracluster.partitions import partition, url_suffix
from ultracluster.rules.rule import About, Fault
from ultracluster.rules.subjects import nodes, resources
from ultracluster.templates.resolved import ResolvedResource, Unknown
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    flag,
    items,
    part,
    script,
    shown,
    text,
)

LATEST: Final = re.compile(r"(/\S*(?:[/-]latest|/recommended)/[^\s}:]*)")
"""Public parameters whose value AWS changes: Deep Learning, Amazon Linux, EKS and ECS images."""
FETCHES: Final = re.compile(
    r"(?:curl|wget)\s[^\n|;]*?(https?://[^\s\"']+)|(git clone\s+\S+)|"
    r"(pip3? install\s+(?!--no-index)[^\n;|&]+)"
)
INSIDE: Final = re.compile(r"https?://(?:169\.254\.|localhost|127\.|[^/]*amazonaws\.com|\x00)")
UPGRADES: Final = re.compile(
    r"\b(?:apt-get|apt)\s+(?:-\S+\s+)*(?:upgrade|dist-upgrade|full-upgrade)\b|"
    r"\b(?:yum|dnf)\s+(?:-\S+\s+)*(?:update|upgrade)(?:\s+-\S+)*\s*(?:$|[;&|\n])|"
    r"\bpackage_upgrade:\s*true\b",
    re.MULTILINE,
)
READ_BY_EC2: Final = "resolve:ssm:"
"""What EC2 reads as the name of a parameter (EC2 User Guide, launch templates, 2026-11-27)."""
ARN: Final = re.compile(r"\barn:(aws(?:-[a-z-]+)?):")
HOST: Final = re.compile(r"\.(?:dkr\.ecr|s3|sts|ssm|ec2|fsx)\.[a-z0-9-]+\.(amazonaws\.com[.a-z]*)")
SCRIPTS: Final = (
    "aws ec2 describe-launch-template-versions --launch-template-id <id> --versions '$Latest' "
    "--query 'LaunchTemplateVersions[].LaunchTemplateData.UserData'"
)


def _accelerated(model: Model) -> Sequence[Node]:
    """Return the nodes that ask for EFA or may be of an accelerated type."""
    found = []
    for node in model.nodes:
        try:
            if node.efa_interfaces() or node.instance_types():
                found.append(node)
        except UndeterminedError:
            found.append(node)
    return found


@nodes.warning(
    "SAFETY-7",
    what="Nodes answer requests for credentials without a session token (IMDSv1).",
    why="Whoever makes a node request a URL for them gets the credentials of its role.",
    source="EC2 User Guide, IMDSv2; Security Hub EC2.8 and EC2.170; read 2026-11-23",
    fix="write MetadataOptions: {HttpTokens: required}",
    check="aws ec2 describe-instances --query "
    "'Reservations[].Instances[].MetadataOptions.HttpTokens'",
)
def imds_v2_only(_model: Model, node: Node) -> Iterator[Fault]:
    # Where HttpTokens is not written, account and image decide.
    options = part(node.launch, "MetadataOptions")
    if text(part(options, "HttpEndpoint")) == "disabled":
        return
    tokens = text(part(options, "HttpTokens"))
    if tokens == "optional":
        yield Fault("HttpTokens is optional")
    elif tokens is None and isinstance(node.launch, dict) and "LaunchTemplate" not in node.launch:
        raise UndeterminedError("HttpTokens is not written, image and account decide it")


@nodes.warning(
    "SAFETY-8",
    what="A volume of a node is not encrypted.",
    why="Datasets, weights and credentials lie on it unencrypted.",
    source="EC2 User Guide, EBS encryption; Security Hub EC2.3; read 2026-11-23",
    fix="write Encrypted: true for every volume",
    check="aws ec2 describe-volumes --filters Name=encrypted,Values=false",
)
def encrypted_volumes(_model: Model, node: Node) -> Iterator[Fault]:
    # Where it is not written, the account's default decides.
    unsaid = False
    for mapping in items(part(node.launch, "BlockDeviceMappings")):
        volume = part(mapping, "Ebs")
        encrypted = flag(part(volume, "Encrypted"))
        if encrypted is False:
            yield Fault(f"volume {text(part(mapping, 'DeviceName'))} has Encrypted: false")
        elif volume is not None and encrypted is None and part(volume, "SnapshotId") is None:
            unsaid = True
    if unsaid:
        raise UndeterminedError("Encrypted is not written, the account's default decides it")


@About(_accelerated).info(
    "SAFETY-9",
    what="Nodes use whichever image is newest at deployment.",
    why="A deployment then changes kernel, driver, EFA installer and Lustre client together, "
    "which have to fit each other and the job's image.",
    source="aws-parallelcluster#2095; aws-ofi-nccl#67, #889; read 2026-11-23",
    fix="write the id of an image that was tested, ami-..., in place of the latest one",
    check="aws ssm get-parameter-history --name <parameter>",
)
def pinned_image(_model: Model, node: Node) -> Iterator[Fault]:
    own = node.launcher.images() if node.launcher else []
    for image in own or [part(node.launch, "ImageId")]:
        source = image.because if isinstance(image, Unknown) else image
        if not isinstance(source, str) or not (found := LATEST.search(source)):
            continue
        if isinstance(image, Unknown) or source.startswith(READ_BY_EC2):
            yield Fault(f"ImageId is read from {found[1]}")
        else:
            fix = f"write {READ_BY_EC2}{found[1]}, or the id of an image"
            yield Fault(f"ImageId is the text {shown(source)}, which is no image's id", fix)


def _script(node: Node) -> str:
    stated = part(node.launch, "UserData")
    return "" if stated is None else living(script(stated))


def _found(model: Model, pattern: re.Pattern[str], node: Node) -> Sequence[re.Match[str]]:
    runs: str = model.once("script that runs", node.launch, lambda: _script(node))
    return model.once(pattern.pattern, node.launch, lambda: tuple(pattern.finditer(runs)))


@About(_accelerated).warning(
    "SAFETY-10",
    what="Nodes download from the internet when they boot.",
    why="A site that is down, slow or changed, or a closed network, breaks every node of the "
    "cluster at once, while it is billed.",
    source="awsome-distributed-ai#186, #188, read 2026-11-23",
    fix="build it into the image, or copy it to the data bucket or to ECR and fetch it there",
    check=SCRIPTS,
)
def nothing_fetched_at_boot(model: Model, node: Node) -> Iterator[Fault]:
    for found in _found(model, FETCHES, node):
        if not (found[1] and INSIDE.match(found[1])):
            yield Fault(f"user data fetches {next(g for g in found.groups() if g).strip()[:60]}")


@About(_accelerated).warning(
    "SAFETY-11",
    what="Nodes upgrade their packages when they boot.",
    why="A new kernel has no Lustre client and no driver built for it: mounts and GPUs are gone "
    "after the next reboot.",
    source="aws-parallelcluster#2095, read 2026-11-23",
    fix="remove the upgrade, and make a new image instead",
    check=SCRIPTS,
)
def no_upgrade_at_boot(model: Model, node: Node) -> Iterator[Fault]:
    for found in _found(model, UPGRADES, node):
        yield Fault(f"user data runs {found[0].strip(' ;&|')}")


def _within(model: Model, resource: ResolvedResource, pattern: re.Pattern[str]) -> frozenset[str]:
    return model.once(
        pattern.pattern,
        resource,
        lambda: frozenset(m[1] for m in pattern.finditer(model.words(resource))),
    )


def _known_region(region: str | Unknown, of_one: str) -> str:
    if isinstance(region, Unknown):
        raise UndeterminedError(f"{of_one}, and {region.because[:1].lower()}{region.because[1:]}")
    return region


@resources.warning(
    "SAFETY-12",
    what="An ARN names another partition than the stack's own.",
    why="arn:aws: names nothing in China, GovCloud or an isolated Region: roles and policies that "
    "use it allow nothing.",
    source="awsome-distributed-ai#525; ai-on-sagemaker-hyperpod#142; read 2026-11-23",
    fix="write arn:${AWS::Partition}:",
    check="aws sts get-caller-identity --query Arn",
)
def arns_of_the_partition(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    # Where the Region is not known, a name that is written may be right or wrong.
    region = model.variant.region
    written = _within(model, resource, ARN)
    if not written:
        return
    own = partition(_known_region(region, f"arn:{min(written)}: is of one partition"))
    found = written - {own}
    for name in sorted(found):
        yield Fault(f"arn:{name}: in {region}", fix=f"write arn:${{AWS::Partition}}:, here {own}")


@resources.warning(
    "SAFETY-13",
    what="A host name has the domain of another partition.",
    why="Hosts of China end in amazonaws.com.cn: an image or an endpoint that is written without "
    "it is not found.",
    source="awsome-distributed-ai#525; botocore partitions, read 2026-11-23",
    fix="write ${AWS::URLSuffix} in place of amazonaws.com",
    check="aws ecr describe-repositories --query 'repositories[].repositoryUri'",
)
def hosts_of_the_partition(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    region = model.variant.region
    found = {name.rstrip(".") for name in _within(model, resource, HOST)}
    if not found:
        return
    own = url_suffix(_known_region(region, f"{min(found)} is of one partition"))
    for name in sorted(found - {own}):
        yield Fault(f"a host in {name}, in {region}", fix=f"write ${{AWS::URLSuffix}}, here {own}")
