"""Network interfaces that a template makes apart from the instance they are attached to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ultracluster.templates.reading import Key, UndeterminedError, key, known, shown
from ultracluster.templates.resolved import ResolvedResource, Unknown

INTERFACE: Final = "AWS::EC2::NetworkInterface"
CARRIED: Final = {
    "InterfaceType": "InterfaceType",
    "GroupSet": "Groups",
    "SubnetId": "SubnetId",
    "PrivateIpAddress": "PrivateIpAddress",
    "PrivateIpAddresses": "PrivateIpAddresses",
    "SecondaryPrivateIpAddressCount": "SecondaryPrivateIpAddressCount",
    "Ipv6AddressCount": "Ipv6AddressCount",
    "Ipv6Addresses": "Ipv6Addresses",
}
"""What an interface of its own says by which name, and how an entry of a node says it."""
OPEN: Final = ("InterfaceType", "Groups", "SubnetId")


def read_interfaces(resources: Sequence[ResolvedResource]) -> dict[Key, Mapping[str, Any]]:
    """Return the interfaces that templates make by themselves, in the words of a node's entry."""
    return {
        r.place.key: {
            name: r.properties[own] for own, name in CARRIED.items() if own in r.properties
        }
        for r in resources
        if r.resource_type == INTERFACE
    }


def with_attached(launch: Any, made: Mapping[Key, Mapping[str, Any]]) -> Any:
    """Return what is launched, with everything that is known of interfaces that it names by id."""
    entries = launch.get("NetworkInterfaces") if isinstance(launch, Mapping) else None
    if not isinstance(entries, list) or not any(_named(entry) for entry in entries):
        return launch
    whole = [{**_attached(e, made), **e} if _named(e) else e for e in entries]
    return {**launch, "NetworkInterfaces": whole}


def _named(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("NetworkInterfaceId") is not None


def _attached(entry: Mapping[str, Any], made: Mapping[Key, Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        name = key(entry["NetworkInterfaceId"])
    except UndeterminedError as error:
        return dict.fromkeys(OPEN, Unknown(error.because))
    if name in made:
        return made[name]
    because = (
        f"network interface {shown(name)} is not in the given templates"
        if known(name)
        else name[-1]
    )
    return dict.fromkeys(OPEN, Unknown(because))
