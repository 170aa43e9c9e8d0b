"""Which plugin an EFA installer brings, where that is known.

Source: EC2 User Guide, Elastic Fabric Adapter release notes, read 2026-11-24 (1.40.0 to 1.43.2
and 1.50.0 on as written there). 1.49.0 names libfabric 2.4.0amzn5.0 there and its plugin could not
be read: 1.20.0 is derived, for its release notes (2026-06-24) name that libfabric and no other.
"""

from typing import Final

INSTALLERS: Final = {
    "1.40.0": "1.14.2",
    "1.42.0": "1.15.0",
    "1.43.0": "1.16.1",
    "1.43.1": "1.16.2",
    "1.43.2": "1.16.3",
    "1.49.0": "1.20.0",
    "1.50.0": "1.21.1",
    "1.51.0": "1.22.0",
}
"""Version of aws-ofi-nccl by version of the EFA installer."""
