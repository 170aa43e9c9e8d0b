"""Reading the Price List API, and the table that it is written into."""

import json
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cost.price_list_server import Document, product, serving
from ultracluster.aws import Account, CloudError
from ultracluster.catalogue import prices
from ultracluster.catalogue.prices import Item
from ultracluster.cost.price_list import FIXED, Answer, prices_of, query, region_to_ask
from ultracluster.cost.price_table import TABLE, store

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
TODAY = date(2026, 11, 24)
P4D = prices.on_demand("p4d.24xlarge")
LINUX = {
    "instanceType": "p4d.24xlarge",
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "preInstalledSw": "NA",
    "marketoption": "OnDemand",
}
NAT = {"productFamily": "NAT Gateway"}
LIST: list[Document] = [
    product("AmazonEC2", "BoxUsage:p4d.24xlarge", "Hrs", "21.9576420000", attributes=LINUX),
    product(
        "AmazonEC2",
        "BoxUsage:p4d.24xlarge",
        "Hrs",
        "25.0000000000",
        attributes={**LINUX, "operatingSystem": "Windows"},
    ),
    product("AmazonEC2", "NatGateway-Hours", "Hrs", "0.0500000000", attributes=NAT),
    product("AmazonEC2", "NatGateway-Bytes", "GB", "0.0450000000", attributes=NAT),
    product("AmazonEC2", "NatGateway-Prvd-Bytes", "GB", "0.0450000000", attributes=NAT),
    product("AmazonVPC", "USE1-PublicIPv4:InUseAddress", "Hrs", "0.0050000000"),
    product("AmazonVPC", "USE1-PublicIPv4:IdleAddress", "Hrs", "0.0050000000"),
    product("awskms", "us-east-1-KMS-Keys", "Keys", "1.0000000000"),
    product("AmazonCloudWatch", "DataProcessing-Bytes", "GB", "0.0000000000", "0.5000000000"),
    product(
        "AmazonS3",
        "TimedStorage-ByteHrs",
        "GB-Mo",
        *("0.0230000000", "0.0220000000", "0.0210000000"),
        attributes={"volumeType": "Standard"},
    ),
    product(
        "AmazonFSx",
        "USE1-Storage.SSD.250",
        "GB-Mo",
        "0.2100000000",
        attributes={
            "fileSystemType": "Lustre",
            "storageType": "SSD",
            "throughputCapacity": "250",
        },
    ),
]


def ask(documents: list[Document], *items: Item) -> list[Answer]:
    """Return what boto3 and the reading of the answers make of some documents."""
    with serving(documents) as server:
        return list(prices_of(items, REGION, Account(REGION, server.settings)))


@pytest.mark.parametrize(
    ("item", "usd"),
    [
        (P4D, "21.957642"),
        (prices.NAT_GATEWAY, "0.05"),
        (prices.NAT_DATA, "0.045"),
        (prices.PUBLIC_ADDRESS, "0.005"),
        (prices.KMS_KEY, "1"),
        (prices.LOGS_INGESTED, "0.5"),
        (prices.S3_STORAGE, "0.023"),
        (prices.lustre_storage("PERSISTENT_2", "SSD", 250), "0.21"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_one_product_that_is_meant_is_found_among_its_neighbours(item: Item, usd: str):
    """Windows, idle addresses, free first gigabytes and volume discounts are other prices."""
    assert ask(LIST, item) == [Answer(item, "listed", Decimal(usd), "2026-11-20")]


def test_every_page_of_an_answer_is_read():
    """The server gives two products a page; the instance is on the last one."""
    strangers = [
        product("AmazonEC2", f"Reservation:{n}", "Quantity", "1", attributes=LINUX)
        for n in range(5)
    ]

    assert ask([*strangers, LIST[0]], P4D) == [
        Answer(P4D, "listed", Decimal("21.957642"), "2026-11-20")
    ]


def test_two_items_of_one_question_are_asked_once():
    """The API is slow, and throttles."""
    with serving(LIST) as server:
        cloud = Account(REGION, server.settings)
        assert len(list(prices_of([prices.NAT_GATEWAY, prices.NAT_DATA], REGION, cloud))) == 2
        assert {r.get("NextToken") for r in server.requests} == {None, "2"}
        assert len(server.requests) == 2


def test_an_item_that_no_product_is_known_of_is_not_asked_for():
    """A Capacity Block is sold at a price of the day."""
    block = prices.capacity_block("p5.48xlarge")

    assert ask(LIST, block) == [Answer(block, "not asked")]
    assert query(prices.slurm_controller("SMALL")) is None
    assert all(query(item) is asked for item, asked in FIXED.items())


def test_an_item_that_the_list_lacks_is_gone():
    """An empty answer is an answer."""
    assert ask([], P4D) == [Answer(P4D, "gone")]


def spoiled(**changes: Any) -> dict[str, Any]:
    """Return the document of an address with parts of it exchanged."""
    good = product("AmazonVPC", "USE1-PublicIPv4:InUseAddress", "Hrs", "0.005")
    return {**good, **changes}


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        (["{"], "no JSON"),
        (["[" * 5000], "no JSON"),
        (["7"], "a product that is not of the documented form"),
        ([json.dumps({"product": None})], "not of the documented form"),
        ([spoiled(terms=None)], "not of the documented form"),
        ([spoiled(terms={"OnDemand": {"x": {"priceDimensions": 1}}})], "documented form"),
        ([spoiled(terms={"Reserved": {}})], "without a price in USD for one hour"),
        (
            [product("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", "0.03", currency="CNY")],
            "without a price in USD",
        ),
        (
            [product("AmazonVPC", "PublicIPv4:InUseAddress", "Months", "3.6")],
            "without a price in USD for one hour",
        ),
        ([product("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", "cheap")], '"cheap" where'),
        ([product("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", "-1")], '"-1" where a price'),
        *(
            (
                [product("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", usd)],
                f'"{usd}" where a price',
            )
            for usd in ("NaN", "1e999999999", "1e9000", "1e15")
        ),
        ([product("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", "1e-99999")], "without a price"),
        (
            [
                product("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", usd)
                for usd in ("0.005", "0.006")
            ],
            "several prices for it (0.005, 0.006 USD)",
        ),
    ],
)
def test_an_answer_that_is_no_price_is_one_line(documents: list[Document], words: str):
    """A list that changes its form must neither crash nor be guessed at."""
    (answer,) = ask(documents, prices.PUBLIC_ADDRESS)

    assert answer.kind == "unreadable"
    assert words in answer.reason
    assert "\n" not in answer.reason


@pytest.mark.parametrize("published", ["\x9b31m\u202e", "soon", "2026-13-45T00:00:00Z", 7])
def test_a_day_that_is_none_is_not_written_down(published: object):
    """The table of prices would hold it."""
    (answer,) = ask([spoiled(publicationDate=published)], prices.PUBLIC_ADDRESS)

    assert (answer.kind, answer.date) == ("listed", None)


def test_a_refused_call_is_an_error_of_the_cloud():
    """Nothing is written where nothing was read."""
    with serving([]) as server:
        server.refusal = "AccessDeniedException"
        with pytest.raises(CloudError, match="AccessDenied"):
            list(prices_of([P4D], REGION, Account(REGION, server.settings)))


def test_china_is_asked_at_its_own_endpoint():
    """The partitions know nothing of each other."""
    assert region_to_ask("cn-north-1") == "cn-northwest-1"
    assert region_to_ask("eu-west-1") == region_to_ask("us-gov-west-1") == "us-east-1"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """Return a checkout's facts and catalogue, to be written to."""
    shutil.copytree(ROOT / "facts", tmp_path / "facts")
    (tmp_path / "ultracluster").mkdir()
    catalogue = tmp_path / "ultracluster" / "catalogue"
    shutil.copytree(ROOT / "ultracluster" / "catalogue", catalogue)
    yield tmp_path
    prices.forget()


def table(checkout: Path) -> dict[str, Any]:
    """Return what the checkout's own table says of the Region."""
    found: dict[str, Any] = json.loads((checkout / TABLE).read_text())["prices"][REGION]
    return found


def derived(checkout: Path) -> dict[str, Any]:
    """Return what the checkout's catalogue says of the Region."""
    path = checkout / "ultracluster" / "catalogue" / "prices.json"
    found: dict[str, Any] = json.loads(path.read_text())["prices"][REGION]
    return found


def test_a_price_that_was_read_is_written_with_its_day(checkout: Path):
    """The catalogue is derived anew, so that both files are committed together."""
    change = store(REGION, ask(LIST, prices.NAT_GATEWAY, P4D), TODAY, checkout)

    assert change.faults == ()
    assert change.lines[:2] == (
        "nat-gateway/hour: 0.05 USD a hour, before 0.045 USD",
        "ec2/p4d.24xlarge/on-demand: 21.957642 USD, as before",
    )
    assert table(checkout)["nat-gateway/hour"] == {"usd": "0.05", "date": "2026-11-20"}
    assert derived(checkout)["nat-gateway/hour"]["source"] == "price-list"
    assert derived(checkout)["nat-gateway/data"]["source"] == "infracost"


def test_a_price_of_the_offer_files_says_so(checkout: Path):
    """Whoever reads the sheet sees where each price is from."""
    store(REGION, ask(LIST, prices.NAT_GATEWAY), TODAY, checkout, source="offers")

    assert table(checkout)["nat-gateway/hour"]["source"] == "offers"
    assert derived(checkout)["nat-gateway/hour"] == {
        "usd": "0.05",
        "date": "2026-11-20",
        "source": "offers",
    }


def test_a_price_that_vanished_is_kept_and_marked_once(checkout: Path):
    """The last known price is better than none; the first day without it is what counts."""
    store(REGION, ask(LIST, prices.NAT_GATEWAY), TODAY, checkout)
    for day in (25, 26):
        change = store(REGION, ask([], prices.NAT_GATEWAY), date(2026, 11, day), checkout)

    assert table(checkout)["nat-gateway/hour"] == {
        "usd": "0.05",
        "date": "2026-11-20",
        "gone_since": "2026-11-25",
    }
    assert "not on the Price List of us-east-1" in change.lines[0]
    assert derived(checkout)["nat-gateway/hour"]["gone_since"] == "2026-11-25"
    store(REGION, ask(LIST, prices.NAT_GATEWAY), date(2026, 11, 27), checkout)
    assert "gone_since" not in table(checkout)["nat-gateway/hour"]


def test_an_unreadable_answer_changes_no_price(checkout: Path):
    """The table stands, and the user is told why."""
    before = (checkout / TABLE).read_text()
    change = store(REGION, ask(["{"], prices.NAT_GATEWAY), TODAY, checkout)

    (fault,) = change.faults
    assert fault.startswith("nat-gateway/hour: ")
    assert fault.endswith("; the price of the table stands")
    assert (checkout / TABLE).read_text() == before


def test_reading_the_same_again_changes_no_byte(checkout: Path):
    """A refresh that finds nothing new makes no diff."""
    answers = ask(LIST, prices.NAT_GATEWAY, P4D)
    store(REGION, answers, TODAY, checkout)
    first = (checkout / TABLE).read_bytes()
    change = store(REGION, answers, date(2027, 1, 1), checkout)

    assert (checkout / TABLE).read_bytes() == first
    assert change.lines[-1].endswith("is as it was")


def test_outside_a_checkout_nothing_is_written(tmp_path: Path):
    """An installed package is nobody's table."""
    change = store(REGION, ask(LIST, prices.NAT_GATEWAY), TODAY, tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert change.lines[-1].startswith("not written: this is no checkout")
    assert "0.05 USD" in change.lines[0]
