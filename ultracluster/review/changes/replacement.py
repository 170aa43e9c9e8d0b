"""Changes that CloudFormation makes by a new resource."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.registry.schemas import Schema
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import Path, dotted
from ultracluster.review.changes.retention import replaced
from ultracluster.review.changes.sources import (
    CUSTOM_NAME,
    EXPORTS,
    ORDER,
    PLACEMENT,
    PURPOSE,
    REFERENCE,
    REGISTRY,
)
from ultracluster.review.changes.verdict import ANY, Site, Verdict, changed, differs
from ultracluster.review.changes.words import known_text, named

CONNECTIONS: Final = frozenset(
    {
        "AWS::EC2::NetworkAclEntry",
        "AWS::EC2::Route",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
    }
)
"""Types that are nothing but what they let pass or say: made anew with the same content, nobody
notices. They are judged by what they let pass before and after."""

IN_PLACE: Final[Mapping[str, frozenset[str]]] = {
    # Conditional in the registry; each is an update in place but for the case in our own rules.
    "AWS::AutoScaling::AutoScalingGroup": frozenset(
        {"LaunchConfigurationName", "VPCZoneIdentifier", "LaunchTemplate", "MixedInstancesPolicy"}
    ),
    "AWS::EC2::Instance": frozenset(
        {"InstanceType", "SecurityGroupIds", "UserData", "EbsOptimized"}
    ),
    "AWS::RDS::DBInstance": frozenset(
        {
            "AutoMinorVersionUpgrade",
            "BackupRetentionPeriod",
            "MultiAZ",
            "PreferredMaintenanceWindow",
        }
    ),
}

REFUSED_TWINS: Final[Mapping[str, str]] = {
    "AWS::EC2::Subnet": "two subnets of a VPC cannot have the same addresses",
    "AWS::EC2::SubnetRouteTableAssociation": "a subnet has one route table",
    "AWS::EC2::Route": "a route table has one route to a destination",
    "AWS::EC2::VPCGatewayAttachment": "a VPC has one internet gateway",
    "AWS::FSx::DataRepositoryAssociation": "links of a file system cannot overlap",
    "AWS::S3::BucketPolicy": "a bucket has one policy",
}
"""Types of which no second one can stand beside the first, and why. CloudFormation makes the new
one before it deletes the old one."""


ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "AWS::AutoScaling::AutoScalingGroup": ("its nodes end, with the jobs on them", PURPOSE),
    "AWS::Batch::ComputeEnvironment": ("its instances end, with the jobs on them", PURPOSE),
    "AWS::EC2::Instance": ("the old one ends, with its root volume", PURPOSE),
    "AWS::EKS::Cluster": ("everything that runs in it ends", PURPOSE),
    "AWS::EKS::Nodegroup": ("its nodes end, with what runs on them", PURPOSE),
    "AWS::EC2::NatGateway": ("connections through the old one break", PURPOSE),
    "AWS::EC2::PlacementGroup": (
        "nodes of both groups are not close together; the old one cannot go while nodes are in it",
        PLACEMENT,
    ),
    "AWS::EC2::Subnet": ("what runs in the old one has to go first", PURPOSE),
    "AWS::EC2::VPC": ("everything in the old one has to go first", PURPOSE),
    "AWS::PCS::Cluster": ("its queues and the accounts of its jobs go with it", PURPOSE),
    "AWS::PCS::ComputeNodeGroup": ("its nodes end, with the jobs on them", PURPOSE),
    "AWS::SageMaker::Cluster": ("its nodes end, with what runs on them", PURPOSE),
}
"""What ends with the old one of a type."""


def pointer(site: Site, pointers: tuple[Path, ...]) -> Path | None:
    """Return the first of some pointers at which the values differ because of this change."""
    for path in pointers:
        depth = min(len(path), len(site.path))
        if path[:depth] == site.path[:depth] and differs(*site.both(*path)):
            return path
    return None


def source(schema: Schema, path: Path) -> str:
    """Return who says that a property is create-only."""
    name = dotted(path)
    if path in schema.documented:
        return f"{name}: update requires replacement ({REFERENCE}; the registry's schema is silent)"
    return f"{name} is create-only ({REGISTRY})"


@changed(ANY)
def create_only(site: Site) -> Iterator[Verdict]:
    """Judge a property that is part of what a resource is made as."""
    schema = site.schema
    if schema is None or site.old is None or site.new is None or site.path[0].startswith("@"):
        return
    if site.type in CONNECTIONS:
        return
    always = pointer(site, schema.create_only)
    if always:
        yield from of(site, source(schema, always), always)
        return
    sometimes = pointer(site, schema.conditional_create_only)
    if sometimes and sometimes[0] not in IN_PLACE.get(site.type, ()):
        because = f"{dotted(sometimes)} is create-only for some of its changes ({REGISTRY})"
        yield from of(site, because, sometimes, "may")


def of(site: Site, because: str, path: Path, will: str = "will") -> Iterator[Verdict]:
    """Yield everything about a replacement; `may` where it is not sure."""
    yield from replaced(site, because, will)
    if site.type in ENDS:
        yield Verdict(Danger.INTERRUPTS, *ENDS[site.type])
    yield from named_by_hand(site, path)
    yield from exported(site)
    yield from twin(site)


def named_by_hand(site: Site, path: Path) -> Iterator[Verdict]:
    """A resource whose name is written cannot be made a second time."""
    name = site.schema.custom_name if site.schema else None
    if not name or (name,) == path:
        return
    was, now = site.both(name)
    if was is not None and not differs(was, now):
        yield Verdict(
            Danger.FAILS,
            f"CloudFormation refuses: {site.name} is named {known_text(now) or 'by hand'}, and a "
            "second one of that name cannot be made",
            CUSTOM_NAME,
            f"change {name} in the same deployment",
        )


def exported(site: Site) -> Iterator[Verdict]:
    """An export that another stack imports cannot change its value."""
    assert site.old_key is not None  # noqa: S101  (only what was there is replaced)
    users = {
        user.place.stack
        for side in (site.moment.old,)
        for user in side.users.get(site.old_key, ())
        if user.place.stack != site.old_key[0]
    }
    if users:
        others = ", ".join(sorted(users))
        yield Verdict(
            Danger.FAILS,
            f"the deployment stops at the export that {others} imports: its value cannot change "
            "while it is in use",
            EXPORTS,
            f"remove the use of it in {others} first, in a deployment of its own",
        )


def twin(site: Site) -> Iterator[Verdict]:
    """Some things cannot stand beside what they replace."""
    why = REFUSED_TWINS.get(site.type)
    if why and not _moves(site):
        yield Verdict(Danger.FAILS, f"the new one is refused: {why}", ORDER)
    if site.type == "AWS::EC2::VPCEndpoint" and all(
        known_text(value) == "true" for value in site.both("PrivateDnsEnabled")
    ):
        service = site.both("ServiceName")
        elsewhere = site.follows and site.path[0] == "VpcId"
        if not elsewhere and not differs(*service) and not differs(*site.both("VpcId")):
            yield Verdict(
                Danger.FAILS,
                "the new endpoint is refused: its private DNS name is the old one's",
                ORDER,
                "set PrivateDnsEnabled to false in a deployment before",
            )


def _moves(site: Site) -> bool:
    """Whether the new one is at another place than the old one."""
    places = {
        "AWS::EC2::Subnet": ("CidrBlock", "VpcId"),
        "AWS::EC2::SubnetRouteTableAssociation": ("SubnetId",),
        "AWS::EC2::Route": ("RouteTableId", "DestinationCidrBlock"),
        "AWS::EC2::VPCGatewayAttachment": ("VpcId",),
        "AWS::FSx::DataRepositoryAssociation": ("FileSystemId", "FileSystemPath"),
        "AWS::S3::BucketPolicy": ("Bucket",),
    }
    names = places.get(site.type, ())
    return (site.follows and site.path[0] in names) or any(differs(*site.both(n)) for n in names)


def twin_of_renamed(site: Site) -> Iterator[Verdict]:
    """Yield what stands against a second one where a resource was renamed."""
    name = site.schema.custom_name if site.schema else None
    assert site.old is not None  # noqa: S101  (renamed from something)
    if name:
        was, now = site.both(name)
        if was is not None and not differs(was, now):
            yield Verdict(
                Danger.FAILS,
                f"the new one is refused: {named(site.old)} has the name {known_text(now)} already",
                ORDER,
            )
    yield from twin(site)
