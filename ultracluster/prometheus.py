"""PromQL queries to CloudWatch, or to a Prometheus server."""

import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlencode

from ultracluster.aws import Account
from ultracluster.exit_status import UsageError
from ultracluster.untrusted_file import LARGEST_BYTES, plain_json

CLOUDWATCH: Final = "cloudwatch"
"""The word for CloudWatch instead of a server's address."""
ADDRESSES: Final = "write cloudwatch, or a Prometheus's address, for example http://127.0.0.1:9090"
SECONDS_TO_WAIT: Final = 30.0
LONGEST_LABEL: Final = 1_000
"""Characters of a label's value; a name of a node has some tens."""
LEAST, MOST = 1e-100, 1e100
"""Values outside of this range are ignored, because calculations with them overflow."""


@dataclass(frozen=True)
class Series:
    """One series of an answer."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Unix times and values; without values that are not numbers, such as 0 divided by 0."""


@dataclass(frozen=True)
class Prometheus:
    """A server with Prometheus's HTTP API."""

    name: str
    """Its address, as messages have it."""
    get: Callable[[str], bytes]
    """Returns what lies at a path."""

    def ask(self, path: str, **asked: Any) -> list[Series]:
        """Return the time series of a query.

        Args:
            path: `query` or `query_range`.
            asked: The API's parameters: `query`, and `time`, or `start`, `end` and `step`.

        Raises:
            UsageError: If there is no answer, or the query is refused.
        """
        try:
            answer = plain_json(self.get(f"/api/v1/{path}?{urlencode(asked)}").decode())
            return [_series(each) for each in answer["data"]["result"]]
        except (OSError, HTTPException, ValueError, KeyError, TypeError, RecursionError) as error:
            why = f"no Prometheus answers there ({error})"
            raise UsageError(f"{self.name}: {why}; {ADDRESSES}") from None


def _series(given: Mapping[str, Any]) -> Series:
    """Return one time series of an answer; a `ValueError` or similar if it is invalid."""
    labels = dict[str, str](given["metric"])
    if not all(isinstance(text, str) and len(text) <= LONGEST_LABEL for text in labels.values()):
        raise ValueError(f"a label is no text of at most {LONGEST_LABEL:,} characters")
    points = given["values"] if "values" in given else [given["value"]]
    known = ((float(at), float(text)) for at, text in points)
    sound = ((at, v) for at, v in known if abs(at) < MOST and (not v or LEAST < abs(v) < MOST))
    return Series(labels, tuple(sound))


def source(address: str, region: str, account: str | None) -> Prometheus:
    """Return the server for an address.

    Args:
        address: `cloudwatch`, or the URL of a Prometheus without `/api`.
        region: The environment's.
        account: The environment's, if it names one.

    CloudWatch answers `/api/v1/query` and `/api/v1/query_range` at its monitoring host, signed with
    Signature Version 4, 500 series and 7 days a request (CloudWatch User Guide, QueryMetrics and
    "PromQL limits", read 2026-11-27).
    """
    if address == CLOUDWATCH:
        asked = Account(region, account=account)
        return Prometheus(CLOUDWATCH, lambda path: asked.get(CLOUDWATCH, "monitoring", path))
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"{address}: not an address; {ADDRESSES}")

    def get(path: str) -> bytes:
        url = address.rstrip("/") + path
        with urllib.request.urlopen(url, timeout=SECONDS_TO_WAIT) as answer:  # noqa: S310 - checked
            return _body(answer)

    return Prometheus(address, get)


def _body(answer: HTTPResponse) -> bytes:
    """Return all of an answer: not without an end, and not a byte now and then."""
    found, until = bytearray(), time.monotonic() + SECONDS_TO_WAIT
    while part := answer.read1(1 << 16):
        found += part
        if len(found) > LARGEST_BYTES or time.monotonic() > until:
            raise ValueError(
                f"its answer has more than {LARGEST_BYTES / 1e6:.0f} MB, or lasts more than "
                f"{SECONDS_TO_WAIT:.0f} s"
            )
    return bytes(found)
