"""Names of resources, references, values, amounts, prices and lists in reports."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any, Final, TypeVar

from ultracluster.catalogue.prices import Item, on_demand, price
from ultracluster.model.policies import UNKNOWN_VALUE, token
from ultracluster.model.storage import GIB_PER_TIB
from ultracluster.review.resolved import count, known_text
from ultracluster.review.resource_types import resource_type, resource_types
from ultracluster.templates.resolved import Place, ResolvedResource
from ultracluster.templates.resolved_values import OWN, Key, known, shown, written

PSEUDO: Final[Mapping[str, str]] = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "ACCOUNT",
    "AWS::Region": "REGION",
    "AWS::URLSuffix": "amazonaws.com",
}
"""What stands for the values of which a template knows only the name."""
NOT_IN_TEMPLATES: Final = "(not in the templates)"
REFERENCE: Final = re.compile(r"<([^<>]*)>")
OPEN, CLOSE = "\ue010", "\ue011"
"""Around the name of a resource while a text is put together."""
ONE_RESOURCE: Final = re.compile(
    f"(?:arn:[^{OPEN}]*)?{OPEN}([^{CLOSE}]*){CLOSE}([^{OPEN}]*)", re.DOTALL
)
"""An ARN that is written around one resource is that resource."""
LONGEST: Final = 160
"""Characters of a value that a sentence quotes."""
SAYS_NOTHING: Final = ("Resource", "Default", "Subnet")
"""Children of constructs that say no more than their parents."""

T = TypeVar("T")
K = TypeVar("K")


def group_by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Return items by a key, in the order in which each key comes first."""
    found: dict[K, list[T]] = {}
    for each in items:
        found.setdefault(key(each), []).append(each)
    return found


def counted(number: int, noun: str) -> str:
    """Return a number of things: `1 stack`, `2 stacks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_of(names: Sequence[str], most: int, joint: str = ", ", last: str = " and ") -> str:
    """Return the first names of a list, and how many more there are."""
    left = len(names) - most
    return joint.join(names[:most]) + (f"{last}{left} more" if left > 0 else "")


@cache
def noun(type_name: str) -> str:
    """Return what a type is called: `AWS::EC2::PlacementGroup` is a placement group."""
    known = resource_types().get(type_name)
    if known and known.noun:
        return known.noun
    if type_name.startswith("Custom::"):
        return f"custom resource {type_name.removeprefix('Custom::')}"
    last = type_name.rsplit("::", maxsplit=1)[-1]
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", last)
    return " ".join(w if w.isupper() and len(w) > 1 else w.lower() for w in words) or "resource"


def short(place: Place) -> str:
    """Return the path of a construct within its stack, without the children that CDK makes.

    `ultracluster/Storage/Lustre/Group/Resource` of stack Storage is `Lustre/Group`.
    """
    parts = (place.construct_path or "").split("/")
    ends = range(1, len(parts))
    within = (e for e in ends if place.stack in (parts[e - 1], "-".join(parts[:e])))
    parts = parts[next(within, -2) :]
    while len(parts) > 1 and parts[-1] in SAYS_NOTHING:
        parts.pop()
    # A construct below one of its own name says it twice.
    own = [name for name, _ in groupby(part for part in parts if part != "Resource")]
    return "/".join(own) or place.logical_id


def named(resource: ResolvedResource) -> str:
    """Return a resource as a sentence calls it: `the file system Lustre`."""
    return f"the {noun(resource.resource_type)} {short(resource.place)}"


def service_name(endpoint: Mapping[str, Any]) -> str:
    """Return `ecr.api` of `com.amazonaws.us-east-1.ecr.api`; the Region may not be known."""
    stated = written(endpoint.get("ServiceName"))
    parts = stated.split(".")
    if parts[:2] == ["com", "amazonaws"] and len(parts) > 3:  # noqa: PLR2004  (Region and service)
        return ".".join(parts[3:])
    return stated.replace("\x00", "?") or "a service that is not known"


def tebibytes(gib: float | None) -> str:
    """Return a size in GiB as a reader takes it in: `98.4 TiB`; None grows by itself."""
    if gib is None:
        return "grows by itself"
    if gib < GIB_PER_TIB:
        return f"{gib:,.0f} GiB"
    tib = gib / GIB_PER_TIB
    return f"{tib:,.1f} TiB" if tib < GIB_PER_TIB else f"{tib / GIB_PER_TIB:,.1f} PiB"


def quoted(value: Any) -> str:
    """Return a resolved value as a sentence quotes it."""
    if value is None:
        return "nothing"
    said = shown(value)
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


def holdings(resource: ResolvedResource) -> str:
    """Return what is lost with a resource: `98.4 TiB`, `every object in it`."""
    known = resource_type(resource.resource_type)
    if known.holds_amount:
        name, says = known.holds_amount
        if amount := count(resource.properties.get(name)):
            return says.format(size=tebibytes(amount), number=amount)
    return known.holds


def hourly(region: str | None, instance_type: Any, count: int) -> str:
    """Return what instances cost in an hour: ` (1,932.27 USD an hour)`; empty if not known."""
    name = known_text(instance_type)
    found = price(on_demand(name), region) if region and name else None
    return f" ({float(found.usd) * count:,.2f} USD an hour, on demand)" if found else ""


def monthly(region: str | None, item: Item | None, count: float) -> str:
    """Return what so much of something costs: `816 USD a month`; empty if not known."""
    found = price(item, region) if region and item else None
    return f"{float(found.usd) * count:,.0f} USD a month" if found else ""


class Names:
    """Names of the resources of a variant, and of whatever refers to them."""

    def __init__(self, resources: Iterable[ResolvedResource]) -> None:
        self._resources = {r.place.key: r for r in resources}
        self._called: dict[Key, str] = {}

    def has(self, key: Key) -> bool:
        """Whether a resource is there."""
        return key in self._resources

    def key(self, key: Key) -> str:
        """Return the short name of what a reference leads to: `Data`."""
        if isinstance(key, str) or not known(key):
            return key if isinstance(key, str) else key[-1]
        logical_id, _, attribute = key[-1].partition(".")
        found = self._resources.get((key[0], logical_id))
        name = short(found.place) if found else logical_id
        return f"{name}.{attribute}" if attribute else name

    def of(self, key: Key) -> str:
        """Return what a reference leads to with its noun: `the bucket Data`."""
        if key not in self._called:
            found = self._resources.get((key[0], key[-1].partition(".")[0]))
            self._called[key] = named(found) if found else self.key(key)
        return self._called[key]

    def text(self, value: Any) -> str:
        return self.readable(token(value))

    def readable(self, marked: str) -> str:
        """Return a text of `policies.token` with the names of what it refers to."""
        named = REFERENCE.sub(self._named, marked)
        if whole := ONE_RESOURCE.fullmatch(named):
            name, tail = whole.groups()
            if tail in ("*", "/*"):
                return f"everything in {name}" if tail == "/*" else f"{name}*"
            return f"{tail[1:]} in {name}" if tail.startswith("/") else f"{name}{tail}"
        return named.replace(OPEN, "").replace(CLOSE, "")

    def _named(self, reference: re.Match[str]) -> str:
        inner = reference[1]
        if inner.startswith(UNKNOWN_VALUE):
            return NOT_IN_TEMPLATES
        if inner in PSEUDO:
            return PSEUDO[inner]
        stack, slash, rest = inner.rpartition("/")
        logical_id, _, attribute = rest.partition(".")
        if not slash:
            return NOT_IN_TEMPLATES if inner.startswith("AWS::") else reference[0]
        name = self.of((stack, logical_id))
        if (attribute or None) not in OWN:
            name = f"{attribute} of {name}"
        return f"{OPEN}{name}{CLOSE}"
