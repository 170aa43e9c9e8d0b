"""AWS's public offer files in place of the Price List API."""

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cost.offer_files import PUBLISHED, REGION, ROOT, files, serving_offers
from tests.cost.price_list_server import product
from tests.cost.test_cost_command import write
from ultracluster.aws import CloudError
from ultracluster.catalogue import prices
from ultracluster.catalogue.prices import Item
from ultracluster.cli import main
from ultracluster.cost import offers, price_table
from ultracluster.cost.offers import Members, Offers
from ultracluster.cost.price_list import Answer, prices_of

P4D = {
    "instanceType": "p4d.24xlarge",
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "preInstalledSw": "NA",
    "marketoption": "OnDemand",
}
LOGIN = {**P4D, "instanceType": "m6i.xlarge"}
NAT = {"productFamily": "NAT Gateway"}
LIST = [
    product("AmazonEC2", "BoxUsage:p4d.24xlarge", "Hrs", "21.9576420000", attributes=P4D),
    product(
        "AmazonEC2",
        "Reservation:p4d.24xlarge",
        "Hrs",
        "99.0",
        attributes={**P4D, "tenancy": "Host"},
    ),
    product("AmazonEC2", "BoxUsage:m6i.xlarge", "Hrs", "0.1920000000", attributes=LOGIN),
    product("AmazonEC2", "NatGateway-Hours", "Hrs", "0.0450000000", attributes=NAT),
    product("AmazonCloudWatch", "DataProcessing-Bytes", "GB", "0.0000000000", "0.5000000000"),
]
ITEMS = (
    prices.on_demand("p4d.24xlarge"),
    prices.on_demand("m6i.xlarge"),
    prices.NAT_GATEWAY,
    prices.LOGS_INGESTED,
)


def asked(texts: dict[str, str], *items: Item) -> tuple[list[Answer], list[str]]:
    """Return what the files say of some items, and which files were fetched."""
    with serving_offers(texts) as server:
        answers = list(prices_of(items, REGION, Offers(items, server.url)))
        return answers, server.fetched


@pytest.mark.parametrize("chunk", [1, 7, 2**20])
def test_each_item_has_its_price_and_the_day_of_its_file(
    monkeypatch: pytest.MonkeyPatch, chunk: int
):
    """Wherever a piece of the file ends; each service's file is fetched once."""
    monkeypatch.setattr(offers, "CHUNK", chunk)
    answers, fetched = asked(files(LIST), *ITEMS)

    assert [(each.kind, each.usd, each.date) for each in answers] == [
        ("listed", Decimal(usd), PUBLISHED[:10]) for usd in ("21.957642", "0.192", "0.045", "0.5")
    ]
    assert len(fetched) == len(set(fetched)) == 4


def test_what_no_file_has_is_said():
    """An item that a file lacks is gone; one of which no product is known is not asked."""
    answers, _ = asked(files(LIST), prices.NAT_DATA, prices.slurm_controller("SMALL"))

    assert [each.kind for each in answers] == ["gone", "not asked"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        '{"products": {"A": {"sku": "A"',
        '{"products": {"A": 3}}',
        '{"products": []}',
        '{"products" 3}',
        '{"terms": {"OnDemand": 5}}',
        "[" * 100_000,
        "{}",
        '{"products": {}, "terms": {"OnDemand": {}}}',
        '{"products": {"A": {"attributes": {}}}, "terms": {}}',
        '{"terms": {"OnDemand": {"A": {}}}, "products": {"A": {"attributes": {}}}}',
    ],
)
def test_a_file_of_another_form_changes_nothing(text: str):
    """It ends the refresh with one error."""
    texts = files(LIST)
    texts[f"{ROOT}/AmazonEC2/20261125170300/{REGION}/index.json"] = text
    with pytest.raises(CloudError):
        asked(texts, prices.NAT_GATEWAY)


def test_an_address_in_an_index_stays_at_its_server():
    """A file does not send its reader elsewhere."""
    texts = files(LIST)
    index = {"regions": {REGION: {"currentVersionUrl": "file:///etc/passwd"}}}
    texts[f"{ROOT}/AmazonEC2/current/region_index.json"] = json.dumps(index)
    with pytest.raises(CloudError, match="is not the path of an offer file"):
        asked(texts, prices.NAT_GATEWAY)


def test_a_value_that_never_ends_is_not_held(monkeypatch: pytest.MonkeyPatch):
    """Memory is bounded, however large a file is."""
    monkeypatch.setattr(offers, "LARGEST_VALUE", 2**16)
    monkeypatch.setattr(offers, "CHUNK", 2**10)
    endless = io.StringIO('{"disclaimer": "' + "x" * 2**18)
    with pytest.raises(ValueError, match="no end"):
        Members(endless).value()


def test_refresh_reads_the_offers_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """From the command line to a file, in somebody's checkout."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    path = write(tmp_path, "budget=BudgetSpec(ceiling_usd_per_day=9000),")
    monkeypatch.setattr(price_table.store, "__defaults__", (tmp_path,))
    every = {"AmazonFSx", "AmazonVPC", "AmazonS3", "awskms", "AmazonSageMaker"}
    others = [product(code, "Nothing", "Hrs", "1") for code in every]
    with serving_offers(files([*LIST, *others])) as server:
        assert main(["cost", path, "--refresh", "--offers", server.url]) == 0

    out = capsys.readouterr().out
    assert "nat-gateway/hour: 0.045 USD, as before" in out
    assert "kms/key: not on the Price List of us-east-1; 1 USD of 2024-07-01 is kept" in out


def test_offers_without_refresh_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """They would be read and not used."""
    path = write(tmp_path, "budget=BudgetSpec(ceiling_usd_per_day=9000),")

    assert main(["cost", path, "--offers"]) == 2
    assert "--offers says what --refresh reads; write both" in capsys.readouterr().err
