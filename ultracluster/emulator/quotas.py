"""The Service Quotas API over the catalogue's quotas.

Applied values differ per account; a default that is not published is 0 here. Defaults: FSx's from
the Lustre guide of 2022, the VPC's from its guide of 2023, SageMaker's from a dump of 2025-11-02
(all read 2026-11-23). An increase is granted at once. Codes that begin with L-0000 are invented: no
source was found for AWS's own, and nothing may rely on them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ultracluster.catalogue import quotas
from ultracluster.catalogue.quotas import Quota
from ultracluster.emulator import wire
from ultracluster.emulator.provisioning import Scope, ServiceError

DEFAULTS: Final = {
    quotas.ELASTIC_IPS.code: 5,
    quotas.NETWORK_INTERFACES.code: 5000,
    quotas.VPCS_PER_REGION.code: 5,
    **{kind.count.code: 100 for kind in quotas.LUSTRE},
    **{kind.capacity.code: 100_800 for kind in quotas.LUSTRE},
    "L-622CFD70": 20,
    "L-00000003": 5 * 86_400,
}


def _known() -> Iterator[Quota]:
    """Yield the quotas that have a code: the catalogue's, and those it names without one."""
    every = [quota for _, quota in quotas.ON_DEMAND]
    every += [quota for kind in quotas.LUSTRE for quota in (kind.count, kind.capacity)]
    every += [quotas.NETWORK_INTERFACES, quotas.VPCS_PER_REGION, quotas.ELASTIC_IPS]
    yield from (quota for quota in every if quota.code)
    for quota, code in (
        (quotas.of_training("ml.p4d.24xlarge"), "L-09B4A649"),
        (quotas.of_training("ml.p4d.24xlarge", "training warm pool"), "L-00000001"),
        (quotas.of_training("ml.p5.48xlarge"), "L-82E1C851"),
        (quotas.INSTANCES_OF_A_JOB, "L-622CFD70"),
        (quotas.INSTANCES_OF_ALL_JOBS, "L-00C91CB5"),
        (quotas.PCS_CLUSTERS, "L-00000002"),
        (quotas.LONGEST_RUN, "L-00000003"),
    ):
        yield replace(quota, code=code)


QUOTAS: Final = tuple(_known())


def operations() -> Mapping[str, wire.Operation]:
    """Return the Service Quotas API over these defaults."""
    granted: dict[tuple[Scope, str], float] = {}

    def increase(scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer RequestServiceQuotaIncrease, and grant it."""
        quota = _asked(arguments)[0]
        value = granted[scope, quota.code] = float(arguments["DesiredValue"])
        request = {
            "ServiceCode": quota.service,
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "DesiredValue": value,
            "Status": "APPROVED",
        }
        return {"RequestedQuota": request}

    return {
        "ListServiceQuotas": lambda scope, given: {"Quotas": _rows(scope, given, granted)},
        "ListAWSDefaultServiceQuotas": lambda scope, given: {"Quotas": _rows(scope, given, {})},
        "GetServiceQuota": lambda scope, given: {"Quota": _rows(scope, given, granted)[0]},
        "RequestServiceQuotaIncrease": increase,
    }


def _asked(arguments: wire.Arguments) -> list[Quota]:
    """Return the quotas of a service, or the one that a code names."""
    code = arguments.get("QuotaCode")
    found = [
        quota
        for quota in QUOTAS
        if quota.service == arguments["ServiceCode"] and code in (None, quota.code)
    ]
    if not found:
        words = "The request failed because the specified service or quota does not exist."
        raise ServiceError("ServiceQuotas", "NoSuchResourceException", words)
    return found


def _rows(
    scope: Scope, arguments: wire.Arguments, granted: Mapping[tuple[Scope, str], float]
) -> list[dict[str, Any]]:
    return [
        {
            "ServiceCode": quota.service,
            "ServiceName": quota.service,
            "QuotaArn": scope.arn("servicequotas", f"{quota.service}/{quota.code}"),
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "Value": granted.get((scope, quota.code), DEFAULTS.get(quota.code, 0)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
        for quota in _asked(arguments)
    ]
