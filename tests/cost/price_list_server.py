"""A Price List API on loopback: documents of AWS's form, filtered and paged as AWS does."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Server = TypeVar("Server", bound=ThreadingHTTPServer)
Document = dict[str, Any] | str
PAGE = 2


def product(
    service: str,
    usage: str,
    unit: str,
    *prices: str,
    attributes: Mapping[str, str] | None = None,
    currency: str = "USD",
    published: str = "2026-11-20T10:11:12Z",
) -> dict[str, Any]:
    """Return a product as the API has it, with one price for each tier.

    The form is that of `aws_v1` (Price List API, GetProducts; botocore 1.44.5).
    """
    sku = f"SKU{abs(hash((service, usage, prices))) % 10**10:010d}"
    term = f"{sku}.JRTCKXETXF"
    dimensions = {
        f"{term}.TIER{tier}": {
            "unit": unit,
            "beginRange": str(tier * 1000),
            "endRange": "Inf" if tier + 1 == len(prices) else str((tier + 1) * 1000),
            "description": f"{usd} per {unit} of {usage}",
            "rateCode": f"{term}.TIER{tier}",
            "appliesTo": [],
            "pricePerUnit": {currency: usd},
        }
        for tier, usd in enumerate(prices)
    }
    return {
        "product": {
            "productFamily": (attributes or {}).get("productFamily", "Any"),
            "sku": sku,
            "attributes": {
                "servicecode": service,
                "usagetype": usage,
                "regionCode": "us-east-1",
                "locationType": "AWS Region",
                **(attributes or {}),
            },
        },
        "serviceCode": service,
        "terms": {
            "OnDemand": {
                term: {
                    "priceDimensions": dimensions,
                    "sku": sku,
                    "effectiveDate": "2026-11-01T00:00:00Z",
                    "offerTermCode": "JRTCKXETXF",
                    "termAttributes": {},
                }
            }
        },
        "version": "20261120101112",
        "publicationDate": published,
    }


class _Handler(BaseHTTPRequestHandler):
    server: "PriceList"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(length))
        assert self.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
        self.server.requests.append(request)
        status, answer = self.server.answer(request)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it overrides
        """Say nothing."""


class PriceList(ThreadingHTTPServer):
    """Answers `GetProducts` from some documents, two a page."""

    def __init__(self, documents: list[Document]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.documents = documents
        self.requests: list[dict[str, Any]] = []
        self.refusal: str | None = None

    def answer(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and answer."""
        if self.refusal is not None:
            return 400, {"__type": self.refusal, "message": "User is not authorized"}
        found = [
            document if isinstance(document, str) else json.dumps(document)
            for document in self.documents
            if isinstance(document, str) or _fits(document, request)
        ]
        start = int(request.get("NextToken", 0))
        page = {"FormatVersion": "aws_v1", "PriceList": found[start : start + PAGE]}
        if start + PAGE < len(found):
            page["NextToken"] = str(start + PAGE)
        return 200, page

    @property
    def settings(self) -> dict[str, str]:
        """What names it to an SDK."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server_address[1]}",
            "AWS_ACCESS_KEY_ID": "prices",
            "AWS_SECRET_ACCESS_KEY": "emulated",
        }


def _fits(document: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    attributes = {
        **document["product"]["attributes"],
        "productFamily": document["product"]["productFamily"],
    }
    return document["serviceCode"] == request["ServiceCode"] and all(
        entry["Type"] == "TERM_MATCH" and attributes.get(entry["Field"]) == entry["Value"]
        for entry in request["Filters"]
    )


@contextmanager
def serving(documents: list[Document]) -> Iterator[PriceList]:
    """Answer from some documents until the context ends."""
    with running(PriceList(documents)) as server:
        yield server


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Have a server answer until the context ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
