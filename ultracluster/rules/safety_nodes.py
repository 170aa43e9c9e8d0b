"""SAFETY rules about nodes: what they run, and what they open."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.model.shell_branches import living
from ultracluster.partitions import partition, url_suffix
from ultracluster.rules.rule import About, Fault, launched, launches, nodes, resources
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource, Unknown
from ultracluster.templates.resolved_values import UndeterminedError

LATEST: Final = re.compile(r"(?:[/-]latest|/recommended)/[^\s}:]*")
"""Public parameters whose value AWS changes: Deep Learning, Amazon Linux, EKS and ECS images."""
FETCHES: Final = re.compile(
    r"(?:curl|wget)\s(?:(?!curl|wget)[^\n|;])*?(https?://[^\s\"']+)|(git clone\s+\S+)|"
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
BUDGET_TAG: Final = re.compile(r"user:([^$]+)\$(.*)")


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
    options = read.part(node.launch, "MetadataOptions")
    if read.text(options, "HttpEndpoint") == "disabled":
        return
    tokens = read.text(options, "HttpTokens")
    if tokens == "optional":
        yield Fault("HttpTokens is optional")
    elif tokens is None and isinstance(node.launch, dict) and "LaunchTemplate" not in node.launch:
        raise UndeterminedError("HttpTokens is not written, image and account decide it")


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
    for source, is_read in images(node):
        if (name := _latest(source)) is None:
            continue
        if is_read or source.startswith(READ_BY_EC2):
            yield Fault(f"ImageId is read from {name}")
        else:
            fix = f"write {READ_BY_EC2}{name}, or the id of an image"
            yield Fault(f"ImageId is the text {read.shown(source)}, which is not an image id", fix)


def images(node: Node) -> list[tuple[str, bool]]:
    """Return the images of a node: an id, or where it is read from, and whether it is read."""
    own = node.launcher.images() if node.launcher else []
    found = [
        (image.because, True) if isinstance(image, Unknown) else (image, False)
        for image in own or [read.part(node.launch, "ImageId")]
    ]
    return [(source, is_read) for source, is_read in found if isinstance(source, str)]


def _latest(text: str) -> str | None:
    """Return the public parameter of the latest image that a text names, None for none."""
    for word in text.split():
        ends = [found.end() for found in LATEST.finditer(word)]
        if ends:
            return word[word.index("/") : ends[-1]]
    return None


def running_script(model: Model, node: Node) -> str:
    """Return what a node's user data runs, without branches that never do."""
    stated = read.part(node.launch, "UserData")
    if stated is None:
        return ""
    runs: str = model.once("script that runs", stated, lambda: living(read.script(stated)))
    return runs


def _found(model: Model, pattern: re.Pattern[str], node: Node) -> Sequence[re.Match[str]]:
    runs = running_script(model, node)
    return model.once(pattern.pattern, runs, lambda: tuple(pattern.finditer(runs)))


@About(_accelerated).warning(
    "SAFETY-10",
    what="Nodes download from the internet or upgrade their packages when they boot.",
    why="A site that is down, slow or changed, or a closed network, breaks every node of the "
    "cluster at once, while it is billed; a new kernel has no Lustre client and no driver.",
    source="awsome-distributed-ai#186, #188; aws-parallelcluster#2095; read 2026-11-23",
    fix="build it into the image, or copy it to the data bucket or to ECR and fetch it there",
    check=launches("UserData"),
)
def same_at_every_boot(model: Model, node: Node) -> Iterator[Fault]:
    for found in _found(model, FETCHES, node):
        if not (found[1] and INSIDE.match(found[1])):
            yield Fault(f"user data fetches {next(g for g in found.groups() if g).strip()[:60]}")
    for found in _found(model, UPGRADES, node):
        yield Fault(
            f"user data runs {found[0].strip(' ;&|')}",
            fix="remove the upgrade, and make a new image instead",
        )


def _within(model: Model, resource: ResolvedResource, pattern: re.Pattern[str]) -> frozenset[str]:
    return model.once(
        pattern.pattern,
        resource,
        lambda: frozenset(m[1] for m in pattern.finditer(model.words(resource))),
    )


@resources.warning(
    "SAFETY-12",
    what="An ARN or a host name is of another partition than the stack's own.",
    why="arn:aws: names nothing in China, GovCloud or an isolated Region, and hosts of China end "
    "in amazonaws.com.cn: policies allow nothing, and images or endpoints are not found.",
    source="awsome-distributed-ai#525; ai-on-sagemaker-hyperpod#142; botocore partitions; "
    "read 2026-11-23",
    fix="write arn:${AWS::Partition}: and ${AWS::URLSuffix}",
    check="aws sts get-caller-identity --query Arn",
)
def names_of_the_partition(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    region = model.variant.region
    hosts = {name.rstrip(".") for name in _within(model, resource, HOST)}
    for found, said, own_of, written_as in (
        (set(_within(model, resource, ARN)), "arn:{}:", partition, "arn:${AWS::Partition}:"),
        (hosts, "a host in {}", url_suffix, "${AWS::URLSuffix}"),
    ):
        if not found:
            continue
        if isinstance(region, Unknown):
            # What is written may be right or wrong there.
            because = f"{region.because[:1].lower()}{region.because[1:]}"
            named = said.format(min(found)).removeprefix("a host in ")
            raise UndeterminedError(f"{named} is of one partition, and {because}")
        own = own_of(region)
        for name in sorted(found - {own}):
            yield Fault(f"{said.format(name)} in {region}", fix=f"write {written_as}, here {own}")


def _tags(node: Node, kind: str) -> dict[str | None, str]:
    stated = [
        tag
        for each in read.items(node.launch, "TagSpecifications")
        if read.text(each, "ResourceType") == kind
        for tag in read.items(each, "Tags")
    ]
    if kind == "instance" and node.launcher and node.launcher.kind in ("instance", "group"):
        # An instance has tags of its own, and an Auto Scaling group hands on those that say so.
        own = read.items(node.launcher.properties, "Tags")
        stated += [tag for tag in own if read.flag(tag, "PropagateAtLaunch") is not False]
    return {read.text(tag, "Key"): read.written(read.part(tag, "Value")) for tag in stated}


def _counted(model: Model) -> tuple[dict[tuple[str, str], str], str | None]:
    """Return keys and values by which budgets count, with the first that does, or why not."""
    found: dict[tuple[str, str], str] = {}
    try:
        for budget in model.of("AWS::Budgets::Budget"):
            for stated in read.items(budget.properties, "Budget", "CostFilters", "TagKeyValue"):
                if tag := BUDGET_TAG.fullmatch(read.written(stated)):
                    found.setdefault((tag[1], tag[2]), budget.place.logical_id)
    except UndeterminedError as error:
        return {}, error.because
    return found, None


@launched.warning(
    "SAFETY-25",
    what="Nodes do not carry the tag that a budget counts by.",
    why="What they cost is in no budget, and nobody is told: PCS and EC2 Fleet hand no tags of "
    "their own on to what they launch.",
    source="AWS Cost Management user guide, budget filters; AWS PCS user guide, launch templates; "
    "read 2026-11-26",
    fix="write the tag into TagSpecifications of the launch template, for instance and volume",
    check="aws ec2 describe-instances --filters Name=tag:<key>,Values=<value>",
)
def nodes_in_the_budget(model: Model, node: Node) -> Iterator[Fault]:
    counted, because = model.cached(_counted)
    if because is not None:
        raise UndeterminedError(because)
    for kind in ("instance", "volume"):
        tags = _tags(node, kind) if counted else {}
        found = (tags.get(key, "") in (value, "\x00") for key, value in counted)
        if counted and not any(found):
            (key, value), budget = next(iter(counted.items()))
            yield Fault(
                f"{described(node)}: {kind} without {key}={value}, by which {budget} counts"
            )
