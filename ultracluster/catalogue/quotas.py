"""Service quotas that decide whether a cluster fits into an account: their names and codes.

Tables of families are `quotas.toml`. A quota is found in what
Service Quotas lists, by its code or its name; SageMaker's by name alone, as there are hundreds of
one form, and a code that is wrong by a digit would name another type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.catalogue.instances import letters
from ultracluster.catalogue.values import table


@dataclass(frozen=True)
class Quota:
    """A quota of a service, as Service Quotas names it."""

    service: str
    name: str
    code: str = ""
    other_names: tuple[str, ...] = ()
    """What it may be called as well, where no source that was found says its name."""

    def is_row(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of Service Quotas is of this quota."""
        if self.code and row.get("QuotaCode") == self.code:
            return True
        given = " ".join(str(row.get("QuotaName", "")).casefold().split())
        return given in {name.casefold() for name in (self.name, *self.other_names)}


ON_DEMAND: Final = tuple(
    (tuple(row["families"]), Quota("ec2", row["name"], row.get("code", "")))
    for row in table("quotas")["on_demand"]
)
"""vCPUs by families that count together; of those without a code none was found."""

NETWORK_INTERFACES: Final = Quota("vpc", "Network interfaces per Region", "L-DF5E4CA3")
VPCS_PER_REGION: Final = Quota("vpc", "VPCs per Region", "L-F678F1CE")
ELASTIC_IPS: Final = Quota("ec2", "EC2-VPC Elastic IPs", "L-0263D0A3")
NATS_PER_ZONE: Final = Quota("vpc", "NAT gateways per Availability Zone", "L-FE5A380F")
GATEWAY_ENDPOINTS: Final = Quota("vpc", "Gateway VPC endpoints per Region", "L-1B52E74A")


@dataclass(frozen=True)
class LustreQuotas:
    """Quotas of the deployment types that count together."""

    deployment_types: tuple[str, ...]
    count: Quota
    capacity: Quota


LUSTRE: Final = tuple(
    LustreQuotas(
        tuple(row["deployment_types"]),
        Quota("fsx", **row["count"]),
        Quota("fsx", **row["capacity"]),
    )
    for row in table("quotas")["lustre"]
)
LUSTRE_HDD: Final = Quota(
    "fsx", "Lustre Persistent HDD storage capacity (per file system)", "L-736F3D6F"
)
LUSTRE_TIERING: Final = Quota(
    "fsx", "Lustre Persistent Intelligent-Tiering throughput capacity", "L-0CD18A5D"
)

INSTANCES_OF_A_JOB: Final = Quota("sagemaker", "Maximum number of instances per training job")
LONGEST_RUN: Final = Quota("sagemaker", "Longest run time for a training job")
"""Seconds; 5 days by default, as it is said, against the API's 28. The name is UNVERIFIED
(2026-11-27), so that another name is a SKIP."""
INSTANCES_OF_ALL_JOBS: Final = Quota("sagemaker", "Number of instances across all training jobs")

PCS_CLUSTERS: Final = Quota("pcs", "Clusters", other_names=("Clusters per Region",))
"""PCS has a quota of clusters that can be raised; neither its code nor its exact name was found
(2026-11-24), so that another name is a SKIP."""


def of_training(instance_type: str, use: str = "training job") -> Quota:
    """Return SageMaker's quota of a type (`ml.p4d.24xlarge`) for a kind of use.

    It is `training job` or `training warm pool`.
    """
    return Quota("sagemaker", f"{instance_type} for {use} usage")


def on_demand(instance_type: str) -> tuple[tuple[str, ...], Quota]:
    """Return the families that count against a type's quota, and the quota; none if unknown."""
    unknown = ((), Quota("ec2", f"vCPUs of {instance_type}"))
    return next((each for each in ON_DEMAND if letters(instance_type) in each[0]), unknown)


def lustre(deployment_type: str) -> LustreQuotas:
    """Return the quotas that a file system of a deployment type counts against."""
    return next(each for each in LUSTRE if deployment_type in each.deployment_types)
