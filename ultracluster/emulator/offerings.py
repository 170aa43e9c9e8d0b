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
from ultracluster.emulator import wire, zones
from ultracluster.emulator.provisioning import Scope, ServiceError, ec2_refusal

BEGIN_IN_DAYS: Final = (2, 9)
PAGE: Final = 100
TIMES: Final = timedelta(hours=11, minutes=30)
"""Of a day, in UTC, at which blocks end (EC2 User Guide, Capacity Blocks, read 2026-11-27)."""
Place = tuple[str, datetime]


def blocks(scope: Scope, given: Mapping[str, Any]) -> dict[str, Any]:
    """Answer DescribeCapacityBlockOfferings.

    Raises:
        ServiceError: where blocks are not sold so.
    """
    name, count = str(given.get("InstanceType")), int(given.get("InstanceCount", 1))
    hours = int(given["CapacityDurationHours"])
    instance = _known(name)
    if instance is None or not instance.capacity_blocks:
        raise ec2_refusal("InvalidParameterValue", f"Capacity Blocks do not support {name}")
    if not offerings.is_sold(hours, count, block=True):
        raise ec2_refusal(
            "InvalidParameterValue",
            f"No Capacity Block of {count} instances for {hours} hours is sold",
        )
    fee = _fee(prices.capacity_block(name), prices.on_demand(name), scope.region, count * hours)
    rows = [
        {
            "CapacityBlockOfferingId": f"cb-{_hexadecimal(name, count, hours, zone, start)}",
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
        for zone, start in _places(scope, instance)
        if _within(start, given.get("StartDateRange"), hours, given.get("EndDateRange"))
    ]
    first, size = int(given.get("NextToken") or 0), int(given.get("MaxResults") or PAGE)
    more = {"NextToken": str(first + size)} if first + size < len(rows) else {}
    return {"CapacityBlockOfferings": rows[first : first + size], **more}


def plans(scope: Scope, given: wire.Arguments) -> dict[str, Any]:
    """Answer SearchTrainingPlanOfferings.

    Raises:
        ServiceError: where plans are not sold so.
    """
    name, count = str(given.get("InstanceType", "")), int(given.get("InstanceCount", 1))
    if name not in offerings.PLAN_TYPES or count not in offerings.SIZES:
        text = f"No training plan of {count} {name or 'instances'} is sold"
        raise ServiceError("SageMaker", "ValidationException", text)
    instance = _known(name.removeprefix("ml."))
    hours = offerings.hours_for(float(given.get("DurationHours", 1)), block=False)
    item = prices.sagemaker_training(name)
    fee = _fee(item, item, scope.region, count * hours)
    after, before = given.get("StartTimeAfter"), given.get("EndTimeBefore")
    rows = [
        {
            "TrainingPlanOfferingId": f"tpo-{_hexadecimal(name, count, hours, zone, start)}",
            "TargetResources": given.get("TargetResources") or ["training-job"],
            "RequestedStartTimeAfter": after,
            "DurationHours": hours,
            "UpfrontFee": fee,
            "CurrencyCode": "USD",
            "ReservedCapacityOfferings": [
                {
                    "InstanceType": name,
                    "InstanceCount": count,
                    "AvailabilityZone": zone,
                    "DurationHours": hours,
                    "StartTime": start,
                    "EndTime": start + timedelta(hours=hours),
                }
            ],
        }
        for zone, start in (_places(scope, instance) if instance else ())
        if _within(start, after, hours, before)
    ]
    return {"TrainingPlanOfferings": rows}


def _known(name: str) -> instances.InstanceType | None:
    try:
        return instances.find(name)
    except instances.UnknownInstanceTypeError:
        return None


def _places(scope: Scope, instance: instances.InstanceType) -> Iterator[Place]:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for zone_id in instance.zones(scope.region) or ():
        zone = zones.zone_name(scope.region, zone_id)
        if zone is not None:
            for days in BEGIN_IN_DAYS:
                yield zone, midnight + TIMES + timedelta(days=days)


def _within(start: datetime, first: Any, hours: int, last: Any) -> bool:
    end = start + timedelta(hours=hours)
    return (first is None or start >= _time(first)) and (last is None or end <= _time(last))


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value))


def _fee(item: prices.Item, other: prices.Item, region: str, hours: int) -> str:
    found = prices.price(item, region) or prices.price(other, region)
    return f"{(found.usd if found else 1) * hours:.2f}"


def _hexadecimal(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:17]
