"""Whoever answers PromQL: CloudWatch, or any Prometheus that reads the nodes."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from ultracluster.aws import Account
from ultracluster.exit_status import UsageError

CLOUDWATCH: Final = "cloudwatch"
"""What a reader writes in the place of an address."""
SECONDS_TO_WAIT: Final = 30.0


@dataclass(frozen=True)
class Prometheus:
    """A server with Prometheus's HTTP API."""

    name: str
    """Its address, as messages have it."""
    get: Callable[[str], bytes]
    """Returns what lies at a path."""

    def ask(self, path: str, **asked: Any) -> list[Mapping[str, Any]]:
        """Return the series that a query gives.

        Args:
            path: `query` or `query_range`.
            asked: The API's parameters: `query`, and `time`, or `start`, `end` and `step`.

        Raises:
            UsageError: If nobody answers there, or the query is refused.
        """
        try:
            answer = json.loads(self.get(f"/api/v1/{path}?{urlencode(asked)}"))
            found: list[Mapping[str, Any]] = answer["data"]["result"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self.name}: no Prometheus answers there ({error}); write {CLOUDWATCH}, or the "
                "address of a Prometheus, for example http://127.0.0.1:9090"
            ) from None
        return found


def source(address: str, region: str, account: str | None) -> Prometheus:
    """Return who is asked.

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
        raise UsageError(
            f"{address}: is no address; write {CLOUDWATCH}, or the address of a Prometheus, for "
            "example http://127.0.0.1:9090"
        )

    def get(path: str) -> bytes:
        url = address.rstrip("/") + path
        with urllib.request.urlopen(url, timeout=SECONDS_TO_WAIT) as answer:  # noqa: S310 - checked
            found: bytes = answer.read()
        return found

    return Prometheus(address, get)
