"""Reads prices from AWS's public offer files, without an account.

`region_index.json` of a service names its newest file of each Region, whose products and prices
stand apart, by SKU (AWS Billing user guide, "Getting price list files manually" and "Reading the
price list files", read 2026-11-27). A file of EC2 holds hundreds of MB, and is read as it comes.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException
from typing import Any, Final, TextIO
from urllib.request import urlopen

from ultracluster.aws import CloudError
from ultracluster.catalogue.prices import Item
from ultracluster.cost.price_list import Query, query

CHUNK: Final = 2**20
LARGEST_VALUE: Final = 2**24
"""Characters of one product or its prices; real ones have some thousands."""
SECONDS: Final = 60
"""Without an answer."""
BLANK: Final = re.compile(r"\s*")


class Offers:
    """Answers `GetProducts` of the Price List API from the offer files, for some items."""

    def __init__(self, items: Iterable[Item], base: str) -> None:
        self._base = base.rstrip("/")
        self._questions = [question for item in items if (question := query(item))]
        self._known: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def ask(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """Return the products of a service in a Region that have the attributes asked for.

        Raises:
            CloudError: where a file cannot be fetched, or is none of the documented form.
        """
        code = request["ServiceCode"]
        wanted = {entry["Field"]: entry["Value"] for entry in request["Filters"]}
        place = (code, wanted.pop("regionCode"))
        if place not in self._known:
            try:
                self._known[place] = list(self._read(*place))
            except (OSError, HTTPException) as error:
                raise CloudError(service, operation, type(error).__name__, str(error)) from error
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                why = f"the offer file of {code} is none of the documented form ({error!s:.80})"
                raise CloudError(service, operation, "UnreadableOffer", why) from error
        found = [each for each in self._known[place] if _has(each["product"], wanted)]
        return {"PriceList": found}

    def _read(self, code: str, region: str) -> Iterator[dict[str, Any]]:
        with self._open(f"/offers/v1.0/aws/{code}/current/region_index.json") as file:
            index = json.loads(file.read(LARGEST_VALUE))
        if region in index["regions"]:
            questions = [each for each in self._questions if each.service == code]
            with self._open(index["regions"][region]["currentVersionUrl"]) as file:
                yield from _products(Members(file), questions)

    def _open(self, path: str) -> TextIO:
        if not self._base.startswith(("https://", "http://")) or not path.startswith("/"):
            raise OSError(f"{self._base}{path:.80} is not the path of an offer file")
        return io.TextIOWrapper(urlopen(self._base + path, timeout=SECONDS), "utf-8")  # noqa: S310 - the scheme is looked at


class Members:
    """The members of a JSON object that is too large to be held."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at = file, "", 0

    def names(self) -> Iterator[str]:
        """Yield the names of the object that comes; after each, its value has to be read."""
        sign = self._take("{")
        if self._peek() == "}":
            sign = self._take("}")
        while sign != "}":
            name = self.value()
            self._take(":")
            yield str(name)
            sign = self._take(",}")

    def value(self) -> Any:
        """Return the value that comes."""
        self._peek()
        while True:
            try:
                value, self._at = json.JSONDecoder().raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                self._more()
            else:
                return value

    def _peek(self) -> str:
        while (match := BLANK.match(self._text, self._at)) and match.end() == len(self._text):
            self._more()
        self._at = match.end() if match else self._at
        return self._text[self._at]

    def _take(self, signs: str) -> str:
        sign = self._peek()
        if sign not in signs:
            raise ValueError(f"{sign} where {signs} belongs")
        self._at += 1
        return sign

    def _more(self) -> None:
        self._text, self._at = self._text[self._at :], 0
        chunk = self._file.read(CHUNK) if len(self._text) < LARGEST_VALUE else ""
        if not chunk:
            raise ValueError("it has no end")
        self._text += chunk


def _products(file: Members, questions: list[Query]) -> Iterator[dict[str, Any]]:
    """Yield the products that somebody asks for, with their prices, as the API has them.

    Raises:
        ValueError: where there are no products, or no prices after them: nothing is gone for that.
    """
    published, known, kept = "", 0, dict[str, Any]()
    for part in file.names():
        if part == "publicationDate":
            published = file.value()
        elif part == "products":
            for sku in file.names():
                product, known = file.value(), known + 1
                if any(_has(product, each.filters) for each in questions):
                    kept[sku] = product
        elif part == "terms" and known:
            for sku, prices in _on_demand(file):
                if sku in kept:
                    terms = {"OnDemand": prices}
                    yield {"product": kept[sku], "terms": terms, "publicationDate": published}
            return
        else:
            file.value()
    raise ValueError("it has no products with prices behind them")


def _on_demand(file: Members) -> Iterator[tuple[str, Any]]:
    """Yield prices by SKU; most of a file is what comes after, those of reserved instances."""
    for kind in file.names():
        for sku in file.names():
            prices = file.value()
            if kind == "OnDemand":
                yield sku, prices
        if kind == "OnDemand":
            return
    raise ValueError("it has no on-demand prices")


def _has(product: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    own = {**product["attributes"], "productFamily": product.get("productFamily")}
    return all(own.get(field) == value for field, value in wanted.items())
