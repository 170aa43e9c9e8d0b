"""Availability Zones of the emulated account.

AWS maps zone names to zone ids differently in every account. Here the mapping is fixed and
alphabetical: `use1-az1` is `us-east-1a`, and so on. Code that relies on it is wrong on AWS.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from ultracluster.catalogue import instances

FEWEST_ZONES: Final = 3


@cache
def zones(region: str) -> dict[str, str]:
    known = {
        zone_id
        for name in instances.names()
        for zone_id in (instances.find(name).availability_zone_ids or {}).get(region, ())
    }
    known.update(instances.zones_by_region().get(region, ()))
    prefix = instances.zone_id_prefix(region) or region
    known.update(f"{prefix}-az{n}" for n in range(1, FEWEST_ZONES + 1) if not known)
    numbers = {zone_id: int(zone_id.rsplit("-az", 1)[1]) for zone_id in sorted(known)}
    return {zone_id: f"{region}{chr(ord('a') + n - 1)}" for zone_id, n in numbers.items()}


def zone_name(region: str, zone_id: str) -> str | None:
    """Return the name of a zone; None where the Region has no zone of that id."""
    return zones(region).get(zone_id)


def describe(region: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Answer DescribeAvailabilityZones: the zones that every other answer speaks of."""
    names, ids = given.get("ZoneNames"), given.get("ZoneIds")
    return {
        "AvailabilityZones": [
            {
                "ZoneName": name,
                "ZoneId": each,
                "RegionName": region,
                "State": "available",
                "ZoneType": "availability-zone",
                "OptInStatus": "opt-in-not-required",
            }
            for each, name in zones(region).items()
            if (not names or name in names) and (not ids or each in ids)
        ]
    }
