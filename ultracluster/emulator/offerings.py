"""Capacity Blocks and training plans that can be bought; nobody buys any here.

What is free is made up: in each zone that has the type one offer that begins in two days and one in
nine. Sizes, lengths and types are AWS's (ultracluster.catalogue.offerings); how AWS words a refusal
is not documented.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ultracluster.catalogue import instances, offerings, prices
from ultracluster.emulator import zones
from ultracluster.emulator.provisioning import Scope, ServiceError, ec2_refusal

BEGIN_IN_DAYS: Final = (2, 9)
ENDS: Final = timedelta(hours=11, minutes=30)
"""Of a day, in UTC, at which blocks end (EC2 User Guide, Capacity Blocks, read 2026-11-27)."""


def blocks(scope: Scope, given: Mapping[str, Any]) -> dict[str, Any]:
    """Answer DescribeCapacityBlockOfferings.

    Raises:
        ServiceError: where blocks are not sold so.
    """
    name, count = str(given.get("InstanceType")), int(given.get("InstanceCount", 1))
    hours = int(given["CapacityDurationHours"])
    if name not in instances.names() or not instances.find(name).capacity_blocks:
        raise ec2_refusal("InvalidParameterValue", f"Capacity Blocks do not support {name}")
    if count not in offerings.SIZES or not offerings.is_length_of_block(hours):
        text = f"No Capacity Block of {count} instances for {hours} hours is sold"
        raise ec2_refusal("InvalidParameterValue", text)
    fee = _fee(prices.capacity_block(name), prices.on_demand(name), scope.region, count * hours)
    rows = [
        {
            "CapacityBlockOfferingId": f"cb-{_digest(name, count, hours, zone, start)}",
            "InstanceType": name,
            "AvailabilityZone": zone,
            "InstanceCount": count,
            "StartDate": start,
            "EndDate": start + timedelta(hours=hours),
            "CapacityBlockDurationHours": hours,
            "UpfrontFee": fee,
            "CurrencyCode": "USD",
            "Tenancy": "default",
        }
        for zone, start in _places(scope, name, given.get("StartDateRange"))
    ]
    first, size = int(given.get("NextToken") or 0), int(given.get("MaxResults") or len(rows))
    more = {"NextToken": str(first + size)} if first + size < len(rows) else {}
    return {"CapacityBlockOfferings": rows[first : first + size], **more}


def plans(scope: Scope, given: Mapping[str, Any]) -> dict[str, Any]:
    """Answer SearchTrainingPlanOfferings.

    Raises:
        ServiceError: where plans are not sold so.
    """
    name, count = str(given.get("InstanceType")), int(given.get("InstanceCount", 1))
    if name not in offerings.PLAN_TYPES or count not in offerings.SIZES:
        text = f"No training plan of {count} {name} is sold"
        raise ServiceError("SageMaker", "ValidationException", text)
    hours = offerings.hours_for(float(given.get("DurationHours", 1)), block=False)
    item = prices.sagemaker_training(name)
    more = {
        "DurationHours": hours,
        "UpfrontFee": _fee(item, item, scope.region, count * hours),
        "CurrencyCode": "USD",
        "TargetResources": given.get("TargetResources") or ["training-job"],
    }
    rows = []
    for zone, start in _places(scope, name.removeprefix("ml."), given.get("StartTimeAfter")):
        part = {"InstanceType": name, "InstanceCount": count, "AvailabilityZone": zone}
        part |= {"StartTime": start, "EndTime": start + timedelta(hours=hours)}
        offering = f"tpo-{_digest(name, count, hours, zone, start)}"
        own = {"TrainingPlanOfferingId": offering, "ReservedCapacityOfferings": [part]}
        rows.append(own | more)
    return {"TrainingPlanOfferings": rows}


def _places(scope: Scope, name: str, after: Any) -> Iterator[tuple[str, datetime]]:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = datetime.fromtimestamp(after, UTC) if isinstance(after, int | float) else after
    first = datetime.fromisoformat(first) if isinstance(first, str) else first or midnight
    for zone_id in instances.find(name).zones(scope.region) or ():
        for days in BEGIN_IN_DAYS:
            start = midnight + ENDS + timedelta(days=days)
            if (zone := zones.zone_name(scope.region, zone_id)) and start >= first:
                yield zone, start


def _fee(item: prices.Item, other: prices.Item, region: str, hours: int) -> str:
    found = prices.price(item, region) or prices.price(other, region)
    return f"{(found.usd if found else 1) * hours:.2f}"


def _digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:17]
