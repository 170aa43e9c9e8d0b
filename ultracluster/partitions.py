"""Partition and host domain of a Region.

Source: botocore's `partitions.json`, read 2026-11-23.
"""

from typing import Final

# The longer beginnings come first: `us-isob-` begins with `us-iso`, not with `us-iso-`.
_PARTITIONS: Final = (
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
)


def partition(region: str) -> str:
    return next((name for start, name, _ in _PARTITIONS if region.startswith(start)), "aws")


def url_suffix(region: str) -> str:
    return next(
        (suffix for start, _, suffix in _PARTITIONS if region.startswith(start)), "amazonaws.com"
    )
