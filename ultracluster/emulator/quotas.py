"""Service quotas: the ones that decide whether a cluster fits into an account.

Codes and names: SageMaker's from a Service Quotas dump of 2025-11-02, FSx's from the Lustre guide
of 2022, the VPC's from its guide of 2023, EC2's from scripts of three public repositories (all
read 2026-11-23). Applied values differ per account; a default that is not published is 0 here.
An increase is granted at once. Codes that begin with L-0000 are invented: no source was found for
AWS's own, and nothing may rely on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ultracluster.emulator import wire
from ultracluster.emulator.ledger import Scope
from ultracluster.emulator.provisioning import ServiceError

SERVICE: Final = "ServiceQuotas"


class Quota(NamedTuple):
    """One quota of one service."""

    service: str
    code: str
    name: str
    default: float


QUOTAS: Final = (
    Quota("ec2", "L-417A185B", "Running On-Demand P instances", 0),
    Quota("ec2", "L-7212CCBC", "All P Spot Instance Requests", 0),
    Quota("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances", 0),
    Quota("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests", 0),
    Quota(
        "ec2",
        "L-1216C47A",
        "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        0,
    ),
    Quota(
        "ec2", "L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 0
    ),
    Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5),
    Quota("vpc", "L-DF5E4CA3", "Network interfaces per Region", 5000),
    Quota("vpc", "L-E79EC296", "VPC security groups per Region", 2500),
    Quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60),
    Quota("vpc", "L-2AFB9258", "Security groups per network interface", 5),
    Quota("vpc", "L-F678F1CE", "VPCs per Region", 5),
    Quota("vpc", "L-407747CB", "Subnets per VPC", 200),
    Quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5),
    Quota("vpc", "L-1B52E74A", "Gateway VPC endpoints per Region", 20),
    Quota("fsx", "L-FD6F2F22", "Lustre Persistent_2 file systems", 100),
    Quota("fsx", "L-8F1B9C74", "Lustre Persistent_2 storage capacity", 100800),
    Quota("fsx", "L-9AFA1F09", "Lustre Persistent_1 file systems", 100),
    Quota("fsx", "L-C8640C82", "Lustre Persistent_1 storage capacity", 100800),
    Quota("fsx", "L-C48231E5", "Lustre Scratch file systems", 100),
    Quota("fsx", "L-AD2FC696", "Lustre Scratch storage capacity", 100800),
    Quota("fsx", "L-CD5E0524", "Lustre backups", 500),
    Quota("sagemaker", "L-09B4A649", "ml.p4d.24xlarge for training job usage", 0),
    Quota("sagemaker", "L-09D56C4F", "ml.p4d.24xlarge for spot training job usage", 0),
    Quota("sagemaker", "L-47E0BC8F", "ml.p4d.24xlarge for cluster usage", 0),
    Quota("sagemaker", "L-BEF3120E", "ml.p4de.24xlarge for cluster usage", 0),
    Quota("sagemaker", "L-82E1C851", "ml.p5.48xlarge for training job usage", 0),
    Quota("sagemaker", "L-00000001", "ml.p4d.24xlarge for training warm pool usage", 0),
    Quota("sagemaker", "L-622CFD70", "Maximum number of instances per training job", 20),
    Quota("sagemaker", "L-00C91CB5", "Number of instances across all training jobs", 0),
    Quota("pcs", "L-00000002", "Clusters", 0),
)


@dataclass
class ServiceQuotas:
    """The Service Quotas API over these defaults."""

    granted: dict[tuple[Scope, str], float] = field(default_factory=dict)

    @property
    def operations(self) -> Mapping[str, wire.Operation]:
        return {
            "ListServiceQuotas": self.list_applied,
            "ListAWSDefaultServiceQuotas": self.list_defaults,
            "GetServiceQuota": self.get_applied,
            "GetAWSDefaultServiceQuota": self.get_default,
            "RequestServiceQuotaIncrease": self.increase,
        }

    def list_applied(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        return {"Quotas": [self._row(scope, quota) for quota in _of(arguments)]}

    def list_defaults(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        return {"Quotas": [_row(scope, quota, quota.default) for quota in _of(arguments)]}

    def get_applied(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        return {"Quota": self._row(scope, _one(arguments))}

    def get_default(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        quota = _one(arguments)
        return {"Quota": _row(scope, quota, quota.default)}

    def increase(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer RequestServiceQuotaIncrease, and grant it."""
        quota = _one(arguments)
        value = float(arguments["DesiredValue"])
        self.granted[scope, quota.code] = value
        request = {
            "ServiceCode": quota.service,
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "DesiredValue": value,
            "Status": "APPROVED",
        }
        return {"RequestedQuota": request}

    def _row(self, scope: Scope, quota: Quota) -> dict[str, Any]:
        return _row(scope, quota, self.granted.get((scope, quota.code), quota.default))


def _of(arguments: wire.Arguments) -> list[Quota]:
    found = [quota for quota in QUOTAS if quota.service == arguments["ServiceCode"]]
    if not found:
        raise _missing()
    return found


def _one(arguments: wire.Arguments) -> Quota:
    for quota in _of(arguments):
        if quota.code == arguments["QuotaCode"]:
            return quota
    raise _missing()


def _missing() -> ServiceError:
    return ServiceError(
        SERVICE,
        "NoSuchResourceException",
        "The request failed because the specified service or quota does not exist.",
    )


def _row(scope: Scope, quota: Quota, value: float) -> dict[str, Any]:
    return {
        "ServiceCode": quota.service,
        "ServiceName": quota.service,
        "QuotaArn": scope.arn("servicequotas", f"{quota.service}/{quota.code}"),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
