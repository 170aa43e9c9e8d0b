"""What can be bought ahead: whether the run fits, what it costs, and each way that nothing is."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.preflight.account import Answer, Answering, always
from ultracluster.aws import CloudError
from ultracluster.capacity import command
from ultracluster.capacity.offers import BLOCK, PLAN, Market, Run
from ultracluster.catalogue import offerings
from ultracluster.catalogue.instances import find
from ultracluster.cli import main
from ultracluster.spec.budget import PriceSpec

P4D = "p4d.24xlarge"
BEGIN = datetime(2026, 12, 1, 11, 30, tzinfo=UTC)
RUN = Run(nodes=2, hours=30.0, likely=(24.0, 40.0), exaflop=1000.0)
ZONES = [{"ZoneName": "us-east-1a", "ZoneId": "use1-az6"}, {"ZoneName": "b", "ZoneId": "use1-az1"}]
BLOCKS = ("ec2", "describe_capacity_block_offerings")
PLANS = ("sagemaker", "search_training_plan_offerings")


def block(
    hours: float, fee: str = "1000", zone: str = "us-east-1a", days: int = 0
) -> dict[str, Any]:
    start = BEGIN + timedelta(days=days)
    return {
        "CapacityBlockOfferingId": f"cb-{hours:g}-{zone}-{days}-{fee}",
        "AvailabilityZone": zone,
        "StartDate": start,
        "EndDate": start + timedelta(hours=hours),
        "UpfrontFee": fee,
        "CurrencyCode": "USD",
    }


def part(hours: float, days: int = 0) -> dict[str, Any]:
    start = BEGIN + timedelta(days=days)
    end = start + timedelta(hours=hours)
    return {"AvailabilityZone": "us-east-1a", "StartTime": start, "EndTime": end}


def plan(*parts: dict[str, Any], fee: str = "900") -> dict[str, Any]:
    return {
        "TrainingPlanOfferingId": "tpo-1",
        "UpfrontFee": fee,
        "CurrencyCode": "USD",
        "ReservedCapacityOfferings": list(parts),
    }


def refusal(of: tuple[str, str], code: str, words: str = "no") -> Answer:
    def refuse(_: Any) -> dict[str, Any]:
        raise CloudError(*of, code, words)

    return refuse


def account(blocks: Any = None, plans: Any = None) -> Answering:
    """Return an account that offers some blocks and plans, or refuses."""
    cloud = Answering()

    def answer(given: Any, name: str) -> Answer:
        return given if callable(given) else always(**{name: given or []})

    cloud.answers[BLOCKS] = answer(blocks, "CapacityBlockOfferings")
    cloud.answers[PLANS] = answer(plans, "TrainingPlanOfferings")
    cloud.answers["ec2", "describe_availability_zones"] = always(AvailabilityZones=ZONES)
    return cloud


def offered(cloud: Answering, run: Run = RUN, type_name: str = P4D) -> tuple[Any, Any]:
    return Market(cloud, "us-east-1", find(type_name), "use1-az6", run, 2, BEGIN).offers()


@pytest.mark.parametrize("fee", ["", "cheap", "nan", "inf", "-1", "1e999"])
def test_a_fee_that_is_none_is_told(fee: str):
    """Nothing can be sold by it, nor compared with it."""
    offers, said = offered(account([block(48, fee)], [plan(part(48))]))

    assert [each.kind for each in offers] == [PLAN]
    assert any(BLOCK in line and f"got {fee!r}" in line for line in said)


def test_an_id_is_one_word_of_the_command():
    row = {**block(48), "CapacityBlockOfferingId": "cb-1; echo"}

    assert "--capacity-block-offering-id 'cb-1; echo' " in offered(account([row]))[0][0].command


def test_what_fits_comes_first_then_the_own_zone_and_the_price():
    """A block's last half hour is no time to train in."""
    rows = [block(24), block(48, "3000"), block(48, "2000", "b"), block(48, "2500"), block(36)]
    offers, said = offered(account(rows))

    chosen = [(each.fits, each.in_zone, each.fee) for each in offers]
    assert chosen[:3] == [("yes", True, 2500), ("yes", True, 3000), ("yes", False, 2000)]
    assert chosen[3:] == [("perhaps", True, 1000), ("no", True, 1000)]
    best, last = offers[0], offers[-1]
    assert (best.hours, best.margin, best.margins) == (47.5, 17.5, (7.5, 23.5))
    assert best.per_exaflop == 2.5
    assert last.covers == pytest.approx(23.5 / 30)
    assert last.per_exaflop == pytest.approx(1000 / (1000 * 23.5 / 30))
    assert [line for line in said if "training plans: none" in line]


def test_a_plan_of_two_parts_counts_the_hours_of_both():
    offers, _ = offered(account(plans=[plan(part(20, 2), part(20))]))

    (offer,) = offers
    assert (offer.kind, offer.hours, offer.start) == (PLAN, 40.0, BEGIN)
    assert offer.command == (
        "aws sagemaker create-training-plan --region us-east-1 "
        "--training-plan-name from-2026-12-01 "
        "--training-plan-offering-id tpo-1"
    )


def test_a_block_that_ends_before_anything_runs_is_none():
    """One that begins at once may be of minutes."""
    offers, _ = offered(account([block(0.5), block(6)]))

    assert [each.hours for each in offers] == [5.5]


def test_lengths_are_asked_for_as_they_are_sold():
    """Two of them: one for the run as planned, and one for where it goes badly."""
    cloud = account()
    offered(cloud, Run(2, 13 * 24.0, (200.0, 15 * 24.0), 1.0))

    asked = [call for call in cloud.calls if call.operation == BLOCKS[1]]
    assert [call.parameters["CapacityDurationHours"] for call in asked] == [14 * 24, 21 * 24]
    assert {call.parameters["InstanceCount"] for call in asked} == {2}


@pytest.mark.parametrize(
    ("needed", "of_block", "of_plan"),
    [(0.2, 24, 24), (23.6, 48, 24), (24, 48, 24), (14 * 24, 21 * 24, 14 * 24), (1e6, 4368, 4368)],
)
def test_lengths_hold_what_is_needed(needed: float, of_block: int, of_plan: int):
    assert offerings.hours_for(needed, block=True) == of_block
    assert offerings.hours_for(needed, block=False) == of_plan


def test_sizes_hold_what_is_needed():
    assert [offerings.size_for(n) for n in (1, 3, 64, 65)] == [1, 4, 64, None]


@pytest.mark.parametrize(
    ("blocks", "type_name", "says"),
    [
        (None, P4D, "Capacity Blocks: none of 2 x p4d.24xlarge in us-east-1 is offered"),
        (refusal(BLOCKS, "UnauthorizedOperation"), P4D, "ec2:DescribeCapacityBlockOfferings"),
        (refusal(BLOCKS, "InvalidAction", "unknown"), P4D, "InvalidAction: unknown"),
        (None, "p3dn.24xlarge", "Capacity Blocks: p3dn.24xlarge is not sold so"),
    ],
)
def test_what_is_not_offered_is_one_line(blocks: Any, type_name: str, says: str):
    """And the other market is asked all the same."""
    offers, said = offered(account(blocks, [plan(part(48))]), type_name=type_name)

    assert says in said[0]
    assert len(offers) == (type_name == P4D)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answering]:
    """Let the command ask an account of a test's own."""

    def plant(*answers: Any) -> Answering:
        cloud = account(*answers)
        monkeypatch.setattr(command, "Account", lambda *_, **__: cloud)
        return cloud

    return plant


def test_the_command_says_what_would_buy_it_and_what_to_write(planted, capsys):
    planted([block(48, "4000"), block(48, "100", "b")])

    assert main(["capacity", "dev", "--recipe", "gpt-1b"]) == 0
    out = capsys.readouterr().out
    assert "Nothing was bought." in out
    assert (
        "    aws ec2 purchase-capacity-block --region us-east-1 --capacity-block-offering-id "
        "cb-48-us-east-1a-0-4000 --instance-platform Linux/UNIX\n"
    ) in out
    assert 'capacity_block=CapacityBlockSpec(capacity_reservation_id="cr-...")' in out
    (price,) = re.findall(r"PriceSpec\(.*\)", out)
    # As somebody pastes it; a price in quotes was refused.
    stated = eval(price, {"PriceSpec": PriceSpec})  # noqa: S307 - our own line
    assert stated.item == "ec2/p4d.24xlarge/capacity-block"
    assert stated.usd == round(4000 / 2 / 48, 4)
    assert "availability_zone_id" not in out


def test_the_same_as_json(planted, capsys):
    planted([block(48)], refusal(PLANS, "AccessDeniedException"))

    assert main(["capacity", "dev", "--recipe", "gpt-1b", "--format", "json"]) == 0
    given = json.loads(capsys.readouterr().out)
    (offer,) = given["offers"]
    assert offer["kind"] == BLOCK
    assert offer["margin"] == pytest.approx(47.5 - given["run"]["hours"])
    assert offer["per_exaflop"] == pytest.approx(1000 / given["run"]["exaflop"])
    assert "sagemaker:SearchTrainingPlanOfferings" in given["notes"][0]


def test_a_run_that_no_offer_holds_ends_with_1_and_says_how_much_they_hold(planted, capsys):
    planted([block(24)])

    words = ["--parameters", "1.3e9", "--tokens", "30e9", "--nodes", "2"]
    assert main(["capacity", "dev", *words]) == 1
    out = capsys.readouterr().out
    assert "The run fits in none: the longest, cb-24-us-east-1a-0-1000, ends after " in out
    assert "purchase" not in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dev"], "no run was given"),
        (["dev", "--recipe", "gpt-1t"], "it is for p5.48xlarge, and dev has p4d.24xlarge"),
        (["dev", "--recipe", "gpt-1b", "--from", "tomorrow"], "--from tomorrow: write a day"),
        (["dev", "--tokens", "1e9"], "no model was given"),
        (["ultracluster", "--recipe", "llama3-1t"], "holds at most 64; reserve on demand"),
        (["dev", "--recipe", "gpt-1bb"], "no such recipe"),
    ],
)
def test_what_cannot_be_asked_is_one_line(planted, capsys, words: list[str], says: str):
    cloud = planted([block(48)])

    assert main(["capacity", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert BLOCKS[1] not in {call.operation for call in cloud.calls}


def test_no_account_is_one_line(planted, capsys):
    who = ("sts", "get_caller_identity")
    planted().answers[who] = refusal(who, "NoCredentialsError")
    assert main(["capacity", "dev", "--recipe", "gpt-1b"]) == 2
    assert "sign in with `aws sso login`" in capsys.readouterr().err


def test_an_offer_in_another_zone_is_said_to_be(planted, capsys):
    planted([block(48, zone="b")])

    assert main(["capacity", "dev", "--recipe", "gpt-1b"]) == 0
    out = capsys.readouterr().out
    assert "use1-az1 (another)" in out
    assert "availability_zone_id='use1-az1'" in out
