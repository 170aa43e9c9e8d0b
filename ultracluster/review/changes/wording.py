"""How sentences name resources, values, amounts and prices."""

from typing import Any, Final

from ultracluster.catalogue.prices import Item, on_demand, price
from ultracluster.model.storage import GIB_PER_TIB
from ultracluster.review.known import count, known_text
from ultracluster.review.resource_types import resource_type
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import shown

LONGEST: Final = 160


def tebibytes(gib: float) -> str:
    """Return a size in GiB as a reader takes it in: `98.4 TiB`."""
    if gib < GIB_PER_TIB:
        return f"{gib:,.0f} GiB"
    if gib < GIB_PER_TIB**2:
        return f"{gib / GIB_PER_TIB:,.1f} TiB"
    return f"{gib / GIB_PER_TIB**2:,.1f} PiB"


def quoted(value: Any) -> str:
    """Return a resolved value as a sentence quotes it."""
    if value is None:
        return "nothing"
    written = shown(value)
    return written if len(written) <= LONGEST else f"{written[: LONGEST - 3]}..."


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
    found = _price(region, on_demand(name) if name else None)
    return "" if found is None else f" ({found * count:,.2f} USD an hour, on demand)"


def monthly(region: str | None, item: Item | None, count: float) -> str:
    """Return what so much of something costs: `816 USD a month`; empty if not known."""
    found = _price(region, item)
    return "" if found is None else f"{found * count:,.0f} USD a month"


def _price(region: str | None, item: Item | None) -> float | None:
    found = price(item, region) if region and item else None
    return None if found is None else float(found.usd)
