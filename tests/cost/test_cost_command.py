"""`ultracluster cost` as somebody types it."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.cost.price_list_server import product, serving
from tests.repository import ENVIRONMENTS
from tests.spec.samples import P4D
from ultracluster.cli import main
from ultracluster.cost import price_table
from ultracluster.cost.display import Estimate, show
from ultracluster.rehearse.substitutes import environment_file
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import load

ROOT = Path(__file__).parents[2]
HEAD = """
from ultracluster.spec.budget import BudgetSpec, PriceSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import NodesSpec

MINE = EnvironmentSpec(
    name="mine",
    region="{region}",
    availability_zone_id="{zone}",
    network=NetworkSpec(),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=2),
    storage=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    sagemaker=SageMakerSpec(instances=0),
    {budget}
)
"""


def write(folder: Path, budget: str, region: str = "us-east-1", zone: str = "use1-az6") -> str:
    """Write an environment file and return its path."""
    path = folder / "mine.py"
    path.write_text(HEAD.format(budget=budget, region=region, zone=zone))
    return str(path)


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: e.name)
def test_a_narrow_terminal_has_room_for_names_and_whole_sums(environment):
    """Of 80 columns the numbers took all but seven."""
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    show(Estimate(environment, ()), console)
    out = file.getvalue()

    sheet = environment.cost_sheet()
    assert f"{sheet.full.per_day:,.2f}" in out
    assert f"{sheet.full.per_month:,.2f}" in out
    assert "…" not in out
    assert re.search(r"^ root volumes ", out, re.MULTILINE)
    table = out.partition("Ceiling:")[0]
    assert max(map(len, table.splitlines())) <= 80
    for line in sheet.lines:
        assert line.quantity.item.name in out, "its name is copied into an environment"


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: e.name)
def test_every_environment_has_a_sheet(environment, capsys: pytest.CaptureFixture[str]):
    """What it sums to, what is left of the ceiling, where prices are from, what is left out."""
    assert main(["cost", environment.name]) == 0

    out = capsys.readouterr().out
    sheet = environment.cost_sheet()
    for text in (
        f"{sheet.full.per_day:,.2f}",
        f"{sheet.idle.per_day:,.2f}",
        f"Ceiling: {environment.budget.ceiling_usd_per_day:,} USD a day",
        "karpenter-provider-aws",
        "2026-07-20",
        "Not counted:",
        *(line.quantity.item.name for line in sheet.lines),
    ):
        assert text in out, text


def test_money_in_json_is_a_number(capsys: pytest.CaptureFixture[str]):
    """A program that adds the lines up gets the total, without parsing texts first."""
    assert main(["cost", "dev", "--format", "json"]) == 0

    (sheet,) = json.loads(capsys.readouterr().out)
    lines = [line["full"]["usd_per_month"] for line in sheet["lines"]]
    assert sum(lines) == pytest.approx(sheet["full"]["usd_per_month"])
    assert sum(line["share"] for line in sheet["lines"]) == pytest.approx(1)
    assert sheet["environment"] == "dev"
    for line in sheet["lines"]:
        assert line["source"]
        assert line["date"]
        numbers = (line["quantity"], line["unit_price_usd"], *line["idle"].values())
        assert all(isinstance(number, float) for number in numbers)
    assert main(["cost", "dev", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [sheet]


def test_a_sheet_above_its_ceiling_is_shown_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Who is refused wants to see what costs so much."""
    path = write(tmp_path, "budget=BudgetSpec(ceiling_usd_per_day=100),")
    assert main(["cost", path]) == 1

    out, err = capsys.readouterr()
    assert "ec2/p4d.24xlarge/on-demand" in out
    assert "the sum is 965.16 above it" in out
    assert err.startswith("ERROR mine.budget.ceiling_usd_per_day: got 100; ")


def test_a_sheet_without_a_ceiling_is_shown_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The first thing that somebody with a new environment needs is the sum."""
    assert main(["cost", write(tmp_path, "")]) == 1

    out, err = capsys.readouterr()
    assert "1,065.16" in out
    assert "write budget=BudgetSpec(ceiling_usd_per_day=1066)" in err


def test_a_sheet_names_what_has_no_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """In Frankfurt the price of P4d is known, and that of the file system is not."""
    budget = "budget=BudgetSpec(ceiling_usd_per_day=9000),"
    path = write(tmp_path, budget, "eu-central-1", "euc1-az1")
    assert main(["cost", path]) == 1

    out, err = capsys.readouterr()
    assert "Without a known price, and in no sum:" in out
    assert "1,200 GB of fsx-lustre/SCRATCH_2-SSD/storage" in out
    assert 'write price_region="us-east-1"' in err
    path = write(tmp_path, budget[:-2] + ', price_region="us-east-1"),', "eu-central-1", "euc1-az1")
    assert main(["cost", path]) == 0
    assert "price of us-east-1" in capsys.readouterr().out


def test_an_environment_that_cannot_work_has_no_sheet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Only what it costs may be wrong with it."""
    path = write(tmp_path, "budget=BudgetSpec(ceiling_usd_per_day=9000),", "us-east-1", "use1-az9")
    assert main(["cost", path]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert "mine.availability_zone_id" in err


def test_where_there_are_no_budgets_nobody_is_promised_an_alert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """CloudFormation of Stockholm has no AWS::Budgets::Budget."""
    budget = 'budget=BudgetSpec(ceiling_usd_per_day=9000, price_region="us-east-1"),'
    assert main(["cost", write(tmp_path, budget, "eu-north-1", "eun1-az3")]) == 0

    assert "Nobody is told: CloudFormation has no AWS Budgets in USD in eu-north-1" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("name", ["nowhere", "missing.py"])
def test_what_is_not_there_is_one_line(name: str, capsys: pytest.CaptureFixture[str]):
    """No stack trace for a slip."""
    assert main(["cost", name]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ")


def test_a_stand_in_file_holds_budget_and_prices(tmp_path: Path):
    """A rehearsal writes an environment down and reads it again, its stated prices included."""
    assert load(environment_file(P4D, tmp_path), EnvironmentSpec) == (P4D,)


def test_refresh_writes_the_table_and_shows_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """From the command line through boto3 to a file, in somebody's checkout."""
    gateway = product(
        "AmazonEC2",
        "NatGateway-Hours",
        "Hrs",
        "0.0500000000",
        attributes={"productFamily": "NAT Gateway"},
    )
    path = write(tmp_path, "budget=BudgetSpec(ceiling_usd_per_day=9000),")
    monkeypatch.setattr(price_table.store, "__defaults__", (tmp_path,))
    with serving([gateway]) as server:
        for key, value in server.settings.items():
            monkeypatch.setenv(key, value)
        assert main(["cost", path, "--refresh"]) == 0

    out = capsys.readouterr().out
    assert "nat-gateway/hour: 0.05 USD a hour, before 0.045 USD" in out
    assert "kms/key: not on the Price List of us-east-1; 1 USD of 2024-07-01 is kept" in out
    assert "not written: this is no checkout" in out


def test_a_pipe_is_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A sheet was 132 columns wide in any pipe."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["cost", "ultracluster"]) == 0
    table = capsys.readouterr().out.partition("\nat most")[0].partition("Price of one")[0]
    assert max(map(len, table.splitlines()[:25])) <= 80
    for columns in ("60", "40"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["cost", "ultracluster"]) == 0
        shown = capsys.readouterr().out
        assert "nodes, reserved\n" in shown  # it was cut away, and the numbers to "271,923.…"
        assert "USD/month: 8,271,004.59" in shown
        assert "…" not in shown


def test_a_price_list_that_does_not_answer_leaves_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """One line, the exit status of what could not be done, and the sheet as it was."""
    path = write(tmp_path, "budget=BudgetSpec(ceiling_usd_per_day=9000),")
    with serving([]) as server:
        server.refusal = "AccessDeniedException"
        for key, value in server.settings.items():
            monkeypatch.setenv(key, value)
        assert main(["cost", path, "--refresh"]) == 2

    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("ERROR pricing get_products: AccessDenied")
    assert line.endswith("the table is as it was")
    assert "1,065.16" in out
