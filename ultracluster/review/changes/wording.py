"""How sentences name resources, values and amounts."""

from typing import Any, Final

from ultracluster.review.changes.values import count
from ultracluster.review.naming import noun, short
from ultracluster.review.resource_types import resource_type
from ultracluster.templates.reading import shown
from ultracluster.templates.resolved import ResolvedResource

GIB_IN_TIB: Final = 1024
LONGEST: Final = 160


def named(resource: ResolvedResource) -> str:
    """Return a resource as a sentence calls it: `the file system Lustre`."""
    return f"the {noun(resource.resource_type)} {short(resource.place)}"


def tebibytes(gib: float) -> str:
    """Return a size in GiB as a reader takes it in: `98.4 TiB`."""
    if gib < GIB_IN_TIB:
        return f"{gib:,.0f} GiB"
    if gib < GIB_IN_TIB**2:
        return f"{gib / GIB_IN_TIB:,.1f} TiB"
    return f"{gib / GIB_IN_TIB**2:,.1f} PiB"


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
