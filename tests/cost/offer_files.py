"""AWS's offer files on loopback, in the form of AWS's Billing user guide (read 2026-11-27)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.cost.price_list_server import running

REGION = "us-east-1"
ROOT = "/offers/v1.0/aws"
PUBLISHED = "2026-11-25T17:03:00Z"
HEAD = {
    "formatVersion": "v1.0",
    "disclaimer": "This pricing list is for informational purposes only.",
    "publicationDate": PUBLISHED,
}


def offer_file(code: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a service's file of a Region: products and terms apart, Reserved ones behind."""
    products = {each["product"]["sku"]: each["product"] for each in documents}
    terms = {each["product"]["sku"]: each["terms"]["OnDemand"] for each in documents}
    reserved: dict[str, Any] = {
        sku: {f"{sku}.HU7G6KETJZ": {"termAttributes": {}}} for sku in products
    }
    return {
        **HEAD,
        "offerCode": code,
        "version": "20261125170300",
        "products": products,
        "terms": {"OnDemand": terms, "Reserved": reserved},
        "attributesList": {},
    }


def files(documents: list[dict[str, Any]]) -> dict[str, str]:
    """Return the text of each file by its path."""
    found = {}
    for code in {each["serviceCode"] for each in documents}:
        path = f"{ROOT}/{code}/20261125170300/{REGION}/index.json"
        region = {"regionCode": REGION, "currentVersionUrl": path}
        index = {**HEAD, "regions": {REGION: region}}
        found[f"{ROOT}/{code}/current/region_index.json"] = json.dumps(index)
        own = [each for each in documents if each["serviceCode"] == code]
        found[path] = json.dumps(offer_file(code, own), indent=2)
    return found


class OfferFiles(ThreadingHTTPServer):
    """Serves some files and counts what is fetched."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts = texts
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        """Where they are."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: OfferFiles

    def do_GET(self) -> None:
        self.server.fetched.append(self.path)
        body = self.server.texts.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it overrides
        """Say nothing."""


@contextmanager
def serving_offers(texts: dict[str, str]) -> Iterator[OfferFiles]:
    """Serve some files until the context ends."""
    with running(OfferFiles(texts)) as server:
        yield server
