"""AWS Budgets: where a template can hold one, and by which tag it finds an environment."""

from typing import Final

ENVIRONMENT_TAG: Final = "ultracluster:environment"
"""Tag of everything that belongs to an environment; its value is the environment's name."""

LAUNCHED: Final = frozenset({"instance", "volume", "network-interface"})
"""What a launch template tags: PCS hands no tags of a node group on to what it launches."""

REGIONS_WITHOUT: Final = frozenset(
    {
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-3", "ap-south-2"),
        *("ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6"),
        *("ap-southeast-7", "ca-west-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2"),
        *("il-central-1", "me-central-1", "mx-central-1", "us-gov-east-1", "us-gov-west-1"),
    }
)
"""Regions whose CloudFormation has no `AWS::Budgets::Budget` (registry schemas of cfn-lint 1.58.0,
2026-10-20). A budget is global: a stack in another Region of the account watches them as well.
GovCloud has none at all; what it costs is billed to the commercial account that it belongs to."""


def offered(region: str) -> bool:
    """Whether a template of a Region can hold a budget in USD; China bills in CNY."""
    return region not in REGIONS_WITHOUT and not region.startswith("cn-")
