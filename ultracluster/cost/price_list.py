"""What the Price List API answers, read into prices: one for an item, or why there is none."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from ultracluster.aws import Cloud
from ultracluster.catalogue.prices import Item
from ultracluster.cost.query import UNITS, Query, query

FIRST: Final = "0"
"""Where the first tier of a price begins."""
NOT_DOCUMENTED: Final = "that is not of the documented form"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the list says of an item."""

    item: Item
    kind: Literal["listed", "gone", "not asked", "unreadable"]
    """Gone is what it was asked for and does not have; not asked is an item of which no product of
    the list is known."""
    usd: Decimal = Decimal(0)
    date: str | None = None
    """Day on which AWS published a price that is listed."""
    reason: str = ""
    """Why an answer is no price."""


class _UnreadableError(ValueError):
    """An answer that is not of the documented form."""


def prices_of(items: Iterable[Item], region: str, cloud: Cloud) -> Iterator[Answer]:
    """Yield what the list says of each item in a Region.

    Raises:
        CloudError: where AWS refuses the call or cannot be reached.
    """
    asked: dict[tuple[str, tuple[tuple[str, str], ...]], list[Any]] = {}
    for item in items:
        question = query(item)
        if question is None:
            yield Answer(item, "not asked")
            continue
        key = (question.service, tuple(sorted(question.filters.items())))
        if key not in asked:
            asked[key] = _products(question, region, cloud)
        try:
            yield _answer(item, question, region, asked[key])
        except _UnreadableError as error:
            yield Answer(item, "unreadable", reason=str(error))
        except (AttributeError, KeyError, TypeError):
            yield Answer(item, "unreadable", reason=f"the list answered something {NOT_DOCUMENTED}")


def _products(question: Query, region: str, cloud: Cloud) -> list[Any]:
    filters = {"regionCode": region, **question.filters}
    answer = cloud.ask(
        "pricing",
        "get_products",
        ServiceCode=question.service,
        FormatVersion="aws_v1",
        Filters=[
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in filters.items()
        ],
    )
    found = answer.get("PriceList", [])
    return found if isinstance(found, list) else [found]


def _answer(item: Item, question: Query, region: str, products: list[Any]) -> Answer:
    meant = [
        document
        for document in map(_document, products)
        if question.means(attributes := document["product"]["attributes"])
        and _is_of(attributes, region)
    ]
    found = {
        (usd, _date(document))
        for document in meant
        for usd in _first_tier(document, UNITS[item.unit])
    }
    if not meant:
        return Answer(item, "gone")
    values = {usd for usd, _ in found}
    if not values:
        raise _UnreadableError(f"the list has it without a price in USD for one {item.unit}")
    if len(values) > 1:
        shown = ", ".join(str(usd) for usd in sorted(values))
        raise _UnreadableError(f"the list has several prices for it ({shown} USD)")
    dates = sorted(date for _, date in found if date is not None)
    return Answer(item, "listed", values.pop(), dates[-1] if dates else None)


def _document(product: Any) -> Mapping[str, Any]:
    try:
        document = json.loads(product) if isinstance(product, str) else product
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("the list answered something that is no JSON") from error
    if not isinstance(document, Mapping):
        raise _UnreadableError(f"the list answered a product {NOT_DOCUMENTED}")
    return document


def _is_of(attributes: Mapping[str, Any], region: str) -> bool:
    return str(attributes.get("regionCode", region)) == region


def _date(document: Mapping[str, Any]) -> str | None:
    published = document.get("publicationDate")
    return published[:10] if isinstance(published, str) else None


def _first_tier(document: Mapping[str, Any], units: tuple[str, ...]) -> Iterator[Decimal]:
    """Yield the on-demand prices in USD of the first tier that costs something."""
    for term in document["terms"].get("OnDemand", {}).values():
        # A first tier that is free (CloudWatch's first GB) is not what more of it costs.
        tiers = sorted(
            (_number(each.get("beginRange") or FIRST), _number(each["pricePerUnit"]["USD"]))
            for each in term["priceDimensions"].values()
            if each.get("unit") in units and each["pricePerUnit"].get("USD") is not None
        )
        yield from [usd for _, usd in tiers if usd > 0][:1]


def _number(text: Any) -> Decimal:
    try:
        number = Decimal(str(text))
    except InvalidOperation as error:
        raise _UnreadableError(f'the list has "{str(text)[:40]}" where a number belongs') from error
    if not number.is_finite() or number < 0:
        raise _UnreadableError(f'the list has "{str(text)[:40]}" where a price belongs')
    return number.normalize()
