"""How ids of Availability Zones begin in Regions whose zones no table here lists.

AWS's documentation of EMR Serverless (service endpoints) names `usge1-az1`, `usgw1-az1` and
`cnn1-az1`; DescribeAvailabilityZones in cn-northwest-1 answers `cnnw1-az1` (moto 5.2.5 has the same
four; read 2026-11-27).
"""

from collections.abc import Mapping
from typing import Final

PREFIXES: Final[Mapping[str, str]] = {
    "us-gov-east-1": "usge1",
    "us-gov-west-1": "usgw1",
    "cn-north-1": "cnn1",
    "cn-northwest-1": "cnnw1",
}
