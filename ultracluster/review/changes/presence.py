"""Resources that come and go, of the types that no other module speaks of."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.retention import STATEFUL
from ultracluster.review.changes.routes import lost
from ultracluster.review.changes.sources import ADDRESSES, PRICES, PURPOSE
from ultracluster.review.changes.verdict import Site, Verdict, changed, coming, going
from ultracluster.review.changes.words import count, known_text, quoted

BILLED: Final[Mapping[str, str]] = {
    "AWS::DynamoDB::Table": "items and requests are billed",
    "AWS::EC2::EIP": "a public address is billed by the hour",
    "AWS::EC2::FlowLog": "every GB of flow logs is billed",
    "AWS::EC2::Instance": "an instance is billed from its start",
    "AWS::EC2::NatGateway": "a NAT gateway is billed by the hour and by the GB",
    "AWS::EC2::Volume": "a volume is billed by its size",
    "AWS::EFS::FileSystem": "files are billed by the GB",
    "AWS::KMS::Key": "a key is billed by the month and by its use",
    "AWS::PCS::Cluster": "the controller of the Slurm cluster is billed by the hour",
    "AWS::RDS::DBInstance": "a database is billed by the hour",
    "AWS::SageMaker::Cluster": "the nodes of a HyperPod cluster are billed from their start",
    "AWS::SecretsManager::Secret": "a secret is billed by the month",
}
"""Types that cost something by being there."""

NEEDED: Final[Mapping[str, str]] = {
    "AWS::EC2::EIP": "what came from this address comes from another, or from none",
    "AWS::EC2::Instance": "the instance is terminated with what runs on it",
    "AWS::EC2::InternetGateway": "nothing reaches the internet, or is reached from it",
    "AWS::EC2::NatGateway": "private subnets no longer reach the internet",
    "AWS::EC2::PlacementGroup": "nodes are no longer placed close to each other; the group cannot "
    "be deleted while nodes are in it",
    "AWS::EC2::RouteTable": "its subnets fall back to the main route table",
    "AWS::EC2::SecurityGroup": "what it let pass is refused; it cannot be deleted while in use",
    "AWS::EC2::Subnet": "what runs in it has to go first",
    "AWS::EC2::SubnetRouteTableAssociation": "the subnet falls back to the main route table",
    "AWS::EC2::VPC": "everything in it has to go first",
    "AWS::EC2::VPCGatewayAttachment": "nothing reaches the internet, or is reached from it",
    "AWS::EC2::LaunchTemplate": "nothing can be launched from it",
    "AWS::IAM::InstanceProfile": "nodes have no role, and AWS refuses their calls",
    "AWS::IAM::Role": "whoever works in this role is refused",
    "AWS::Lambda::Function": "whoever calls the function gets an error",
    "AWS::PCS::Cluster": "the controller goes with its queues and the history of its jobs",
    "AWS::PCS::Queue": "jobs of the queue have nowhere to run",
    "AWS::SageMaker::Cluster": "its nodes are deleted with what runs on them",
    "AWS::SSM::Parameter": "whoever reads the parameter gets an error",
}
"""What stops with a resource of a type."""

GUARDS: Final[Mapping[str, str]] = {
    "AWS::Budgets::Budget": "nobody is told of what is spent",
    "AWS::CloudTrail::Trail": "calls are no longer recorded",
    "AWS::CloudWatch::Alarm": "nobody is told any more",
    "AWS::Config::ConfigRule": "the rule is no longer watched",
    "AWS::EC2::FlowLog": "traffic of the network is no longer recorded",
    "AWS::GuardDuty::Detector": "threats are no longer looked for",
    "AWS::WAFv2::WebACL": "requests are no longer filtered",
    "Custom::VpcRestrictDefaultSG": "the VPC's default security group is open again: its members "
    "reach each other, and everything outside",
}
"""Types that watch or close something."""

LABELS: Final = frozenset(
    {
        "AWS::CDK::Metadata",
        "AWS::CloudFormation::WaitConditionHandle",
        "AWS::CloudWatch::Dashboard",
        "AWS::Logs::QueryDefinition",
        "AWS::ResourceGroups::Group",
    }
)
"""Types on which nothing else depends."""


@coming(*BILLED)
def billed(site: Site) -> Iterator[Verdict]:
    """Judge what costs by being there."""
    yield Verdict(Danger.COSTS_MORE, BILLED[site.type], PRICES)


@going(*(NEEDED.keys() - STATEFUL))
def needed(site: Site) -> Iterator[Verdict]:
    """Judge what others stand on."""
    assert site.old is not None  # noqa: S101  (it was there)
    yield Verdict(Danger.INTERRUPTS, NEEDED[site.old.resource_type], PURPOSE)


@going("AWS::SageMaker::Cluster", "AWS::PCS::Cluster")
def nodes_gone(_site: Site) -> Iterator[Verdict]:
    """Judge a cluster that goes with its nodes."""
    yield Verdict(Danger.REDUCES_CAPACITY, "its nodes are in no template any more", PURPOSE)


@going(*GUARDS)
def unguarded(site: Site) -> Iterator[Verdict]:
    """Judge what nobody watches any more."""
    assert site.old is not None  # noqa: S101  (it was there)
    yield Verdict(Danger.LOOSENS_SECURITY, GUARDS[site.old.resource_type], PURPOSE)


@changed("AWS::Budgets::Budget")
def ceiling(site: Site) -> Iterator[Verdict]:
    """Judge from which sum on somebody is told."""
    if site.path == ("Budget", "BudgetLimit", "Amount"):
        was, now = (count(value) for value in (site.was, site.now))
        lower = was is not None and now is not None and now < was
        yield Verdict(
            Danger.HARMLESS if lower else Danger.COSTS_MORE,
            f"alerts are about {quoted(site.now)} instead of {quoted(site.was)}",
            PURPOSE,
        )
    if site.touches("NotificationsWithSubscribers"):
        gone = lost(site.was, site.now)
        yield Verdict(
            Danger.LOOSENS_SECURITY if gone else Danger.HARMLESS,
            "somebody is no longer told of what is spent, or later" if gone else "more are told",
            PURPOSE,
        )


@coming("AWS::EC2::VPCGatewayAttachment")
def reached(site: Site) -> Iterator[Verdict]:
    """Judge a VPC that gets an internet gateway."""
    assert site.new is not None  # noqa: S101  (it is there)
    if known_text(site.new.properties.get("VpnGatewayId")) is None:
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            "with a route and a public address what is in the VPC can be reached from the internet",
            ADDRESSES,
        )
