"""One check in an account that uses nothing."""

from tests.preflight.account import Answering, always
from tests.preflight.specs import MADE, NOW
from ultracluster.preflight.finding import Finding
from ultracluster.preflight.preflight import preflight
from ultracluster.spec.environment import EnvironmentSpec

P_VCPUS = "L-417A185B"


def finding(check: str, cloud: Answering, spec: EnvironmentSpec = MADE) -> Finding:
    """Return the one finding of a check."""
    (result,) = preflight(spec, cloud, NOW, only=[check]).results
    (found,) = result.findings
    return found


def empty() -> Answering:
    """Return an account that uses nothing."""
    cloud = Answering()
    for operation, key in (
        ("describe_capacity_reservations", "CapacityReservations"),
        ("describe_vpcs", "Vpcs"),
    ):
        cloud.change("ec2", operation, always(**{key: []}))
    cloud.change("fsx", "describe_file_systems", always(FileSystems=[]))
    return cloud


def in_use(found: Finding) -> int:
    """Return the usage that a finding speaks of."""
    return int(found.found.partition("in use ")[2].partition(", to come")[0].replace(",", ""))
