"""The ceiling of an environment: what it refuses, and what it tells to write."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spec.budgets import AMPLE
from tests.spec.samples import (
    BLOCK,
    CLOSED,
    EXISTING,
    FOUND,
    HDD,
    LEFT_OUT,
    LINKED,
    P4D,
    RESERVED,
    SCRATCH,
    TIERING,
    changed,
    found,
)
from tests.spec.strategies import environments
from ultracluster.catalogue import prices
from ultracluster.cost.quantities import (
    bill,
    bucket_quantities,
    node_quantities,
    slurm_quantities,
)
from ultracluster.cost.sheet import cost_sheet
from ultracluster.problem import Problem
from ultracluster.spec.budget import BudgetSpec, PriceSpec
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.slurm import SlurmSpec

JOBS = "sagemaker/ml.p4d.24xlarge/training"
"""Its price is known of us-west-2 alone."""
SUM = P4D.cost_sheet().full.per_day


def problems(base: EnvironmentSpec, **changes: object) -> list[Problem]:
    """Return what is wrong with a sample that was changed."""
    return found(lambda: changed(base, changes))


def with_ceiling(usd: int) -> list[Problem]:
    """Return what is wrong with the P4d sample under a ceiling."""
    return problems(P4D, budget=AMPLE.model_copy(update={"ceiling_usd_per_day": usd}))


def test_a_ceiling_just_above_the_sum_is_accepted_and_one_below_refused():
    """The first whole dollar that holds is the one that the message names."""
    whole = int(SUM.to_integral_value(ROUND_CEILING))
    assert with_ceiling(whole) == []

    (problem,) = with_ceiling(whole - 1)
    assert problem.field == "budget.ceiling_usd_per_day"
    assert problem.got == whole - 1
    assert f"costs {SUM:,.2f} USD a day" in problem.fix
    assert f"write at least {whole}" in problem.fix


def test_the_refusal_names_what_costs_most():
    """Who has to save must know where."""
    (problem,) = with_ceiling(10)

    assert "SageMaker training jobs 9,600.00, nodes 2,107.93, Lustre storage 16.57" in problem.fix


def test_an_environment_without_a_budget_is_told_what_to_write():
    """One line, with the sum and a ceiling that would hold."""
    base = changed(P4D, {"sagemaker.instances": 0})
    (problem,) = problems(base, budget=LEFT_OUT)

    sheet = cost_sheet(bill(base), base.region)
    assert problem.field == "budget"
    assert f"this one costs {sheet.full.per_day:,.2f} USD a day" in problem.fix
    ceiling = int(sheet.full.per_day.to_integral_value(ROUND_CEILING))
    assert f"write budget=BudgetSpec(ceiling_usd_per_day={ceiling})" in problem.fix
    assert problems(base, budget=BudgetSpec(ceiling_usd_per_day=ceiling)) == []


def test_an_environment_without_a_budget_and_without_prices_is_told_both():
    """The sum alone would be taken for the whole."""
    (problem,) = problems(P4D, budget=LEFT_OUT)

    assert "sagemaker/ml.p4d.24xlarge/training without a known price" in problem.fix


def test_a_budget_of_a_wrong_type_is_one_problem():
    """The rule that knows what to write is for a missing one."""
    (problem,) = problems(P4D, budget=5000)

    assert (problem.field, problem.got) == ("budget", 5000)


def test_what_has_no_price_is_refused_until_somebody_states_one():
    """A ceiling that leaves out the nodes holds nothing."""
    poor = BudgetSpec(ceiling_usd_per_day=10**6)
    (problem,) = problems(P4D, budget=poor)
    assert problem.field == "budget.prices"
    assert 'PriceSpec(item="sagemaker/ml.p4d.24xlarge/training", usd=...)' in problem.fix

    stated = PriceSpec(item=JOBS, usd=25.251286)
    rich = poor.model_copy(update={"prices": (stated,)})
    assert problems(P4D, budget=rich) == []


def test_another_region_stands_in_only_where_it_is_named():
    """P5 has a price in Oregon, and NAT has none."""
    fields = {
        "region": "us-west-2",
        "availability_zone_id": "usw2-az2",
        "nodes.instance_type": "p5.48xlarge",
        "budget": BudgetSpec(ceiling_usd_per_day=10**6),
    }
    (problem,) = problems(P4D, **fields)
    assert 'write price_region="us-east-1" to take the prices of that Region' in problem.fix

    fields["budget"] = BudgetSpec(ceiling_usd_per_day=10**6, price_region="us-east-1")
    assert problems(P4D, **fields) == []
    regions = {line.price.region for line in changed(P4D, fields).cost_sheet().lines}
    assert regions == {"us-east-1", "us-west-2"}


def test_what_is_refused_anyway_is_not_asked_for_its_price():
    """One fault, one line: a throughput that is not sold has no price."""
    fields = {
        "storage.per_unit_storage_throughput": 300,
        "budget": BudgetSpec(ceiling_usd_per_day=10**6, price_region="us-west-2"),
    }

    assert [problem.field for problem in problems(P4D, **fields)] == [
        "storage.per_unit_storage_throughput"
    ]


def test_a_stated_price_is_what_was_written():
    """A float has no last cent; its shortest text has."""
    budget = BudgetSpec(
        ceiling_usd_per_day=1, prices=(PriceSpec(item="nat-gateway/hour", usd=0.1),)
    )

    assert budget.stated("us-east-1")[prices.NAT_GATEWAY].usd == Decimal("0.1")


def test_a_ceiling_of_a_day_is_a_ceiling_of_aws_month():
    """AWS Budgets counts months."""
    assert BudgetSpec(ceiling_usd_per_day=24).ceiling_usd_per_month == 730


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"ceiling_usd_per_day": 0}, "ceiling_usd_per_day", "write at least 1"),
        ({"ceiling_usd_per_day": 10**30}, "ceiling_usd_per_day", "write at most 1000000000"),
        ({"ceiling_usd_per_day": 10.5}, "ceiling_usd_per_day", "write a whole number"),
        ({"notify": ("nobody",)}, "notify[0]", "write an e-mail address"),
        ({"notify": ("a@b.example",) * 2}, "notify[1]", "listed twice"),
        (
            {"notify": tuple(f"arn:aws:sns:us-east-1:{n:012d}:alerts" for n in (1, 2))},
            "notify[1]",
            "one topic at most",
        ),
        ({"notify": tuple(f"a{n}@b.example" for n in range(11))}, "notify", "sends to 10 at most"),
        ({"alerts_percent": ()}, "alerts_percent", "at least 1"),
        ({"alerts_percent": (50, 50)}, "alerts_percent[1]", "listed twice"),
        ({"alerts_percent": (0,)}, "alerts_percent[0]", "write 1 to 1000"),
        ({"forecast_percent": 0}, "forecast_percent", "write at least 1"),
        (
            {"price_region": "mars"},
            "price_region",
            "prices of that Region are known; write us-east-1",
        ),
        (
            {"prices": tuple(PriceSpec(item=JOBS, usd=usd) for usd in (1.0, 2.0))},
            "prices[1].item",
            "stated twice",
        ),
    ],
)
def test_a_budget_that_cannot_be_is_refused(fields: dict[str, object], field: str, words: str):
    """AWS Budgets' own limits, and slips of a pen."""
    reported = found(lambda: changed(P4D, {f"budget.{key}": v for key, v in fields.items()}))

    assert [(p.field, words in p.fix) for p in reported] == [(f"budget.{field}", True)]


@pytest.mark.parametrize(
    ("item", "usd", "field"),
    [
        ("nat/hour", 1.0, "item"),
        ("kms/key", -1.0, "usd"),
        ("kms/key", float("nan"), "usd"),
        ("kms/key", 1e300, "usd"),
    ],
)
def test_a_price_that_cannot_be_is_refused_in_one_line(item: str, usd: float, field: str):
    """Also where the faulty price is part of an environment that is then summed."""

    def build() -> EnvironmentSpec:
        stated = PriceSpec(item=item, usd=usd)
        return changed(P4D, {"budget": BudgetSpec(ceiling_usd_per_day=10**6, prices=(stated,))})

    assert [problem.field for problem in found(build)] == [f"budget.prices[0].{field}"]


def idle(environment: EnvironmentSpec) -> dict[str, Decimal]:
    """Return what an environment uses of each item while nothing runs."""
    return {q.item.name: q.idle for q in bill(environment) if q.idle}


def test_reserved_capacity_is_paid_for_while_nothing_runs():
    """It is the mistake that costs most: scaled to zero is not free."""
    p4d = "ec2/p4d.24xlarge/on-demand"

    assert p4d not in idle(P4D)
    assert idle(RESERVED)[p4d] == idle(FOUND)[p4d] == 4
    assert idle(BLOCK)["ec2/p4d.24xlarge/capacity-block"] == 4


def test_storage_and_gateways_are_paid_for_while_nothing_runs():
    """What scales to zero are nodes and jobs alone."""
    assert idle(P4D) == {
        "fsx-lustre/PERSISTENT_2-SSD-250/storage": 2400,
        "s3/standard/storage": 100,
        "nat-gateway/hour": 1,
        "public-ipv4/hour": 1,
        "interface-endpoint/hour": 11,
        "kms/key": 2,
    }


def used(environment: EnvironmentSpec) -> dict[str, Decimal]:
    """Return what an environment uses of each item at full size."""
    return {q.item.name: q.full for q in bill(environment)}


def test_each_kind_of_storage_is_billed_as_it_is_sold():
    """Capacity, throughput, metadata, caches and backups are items of their own."""
    assert used(SCRATCH)["fsx-lustre/SCRATCH_2-SSD/storage"] == 1200
    assert used(HDD)["fsx-lustre/PERSISTENT_1-HDD-12/storage"] == 6000
    assert used(HDD)["fsx-lustre/HDD/read-cache"] == 1200
    assert used(TIERING)["fsx-lustre/INTELLIGENT_TIERING/throughput"] == 4000
    assert used(TIERING)["fsx-lustre/metadata-iops"] == 6000
    assert "fsx-lustre/INTELLIGENT_TIERING/read-cache" not in used(TIERING)
    cached = changed(TIERING, {"storage.data_read_cache": "PROPORTIONAL_TO_THROUGHPUT_CAPACITY"})
    assert used(cached)["fsx-lustre/INTELLIGENT_TIERING/read-cache"] == 131072
    backed_up = changed(P4D, {"storage.automatic_backup_retention_days": 7})
    assert used(backed_up)["fsx-lustre/backup"] == 2400
    assert next(bucket_quantities(LINKED.storage)).full == 2400


@pytest.mark.parametrize(
    ("changes", "gb"),
    [
        ({}, 2400 * 3),
        ({"storage.exported_gb_per_day": 700, "storage.noncurrent_days": 7}, 4900),
        ({"storage.exported_gb_per_day": 0}, 0),
    ],
)
def test_what_exports_supersede_is_paid_for_as_long_as_the_bucket_keeps_it(changes, gb: int):
    """A versioned bucket keeps what was overwritten and deleted, and checkpoints are both."""
    _, old = bucket_quantities(changed(LINKED, changes).storage)

    assert (old.purpose, int(old.full), int(old.idle)) == ("old versions in the data bucket", gb, 0)


def test_a_network_is_billed_for_what_it_makes():
    """A VPC that is there already has its own NAT and its own logs."""
    assert not any(name.startswith("nat-gateway") for name in used(CLOSED))
    assert not any(name.startswith(("nat", "cloudwatch-logs")) for name in used(EXISTING))
    assert used(EXISTING)["interface-endpoint/hour"] == 1


def test_slurm_is_paid_for_while_no_job_runs():
    """Controller, accounting and login nodes never scale to zero; PCS's fee follows instances."""
    slurm = SlurmSpec(size="MEDIUM", least_nodes=3, accounting_days=30, login_nodes=2)
    nodes = NodesSpec(instance_type="p4d.24xlarge", count=16, root_volume_gib=100)
    found = {q.item.name: (int(q.full), int(q.idle)) for q in slurm_quantities(slurm, nodes)}

    assert found == {
        "pcs/MEDIUM/controller": (1, 1),
        "pcs/MEDIUM/node": (18, 5),
        "pcs/MEDIUM/accounting": (1, 1),
        "ec2/m6i.xlarge/on-demand": (2, 2),
        "ebs/gp3/storage": (200, 200),
    }


def test_nodes_that_run_without_a_job_are_paid_for_idle():
    """Slurm can keep some, so that a job need not wait."""
    found = {q.item.name: int(q.idle) for q in node_quantities(P4D.nodes, least_nodes=1)}

    assert found == {"ec2/p4d.24xlarge/on-demand": 1, "ebs/gp3/storage": 200}


@settings(max_examples=30)
@given(environment=environments(), more=st.integers(1, 50))
def test_more_nodes_never_cost_less(environment: EnvironmentSpec, more: int):
    """Whatever they are and however they are paid for."""
    nodes = environment.nodes
    larger = bill(environment)
    own = f"ec2/{nodes.instance_type}/"
    count = {q.item: q.full for q in larger if q.item.name.startswith(own)}

    assert list(count.values()) == [nodes.count]
    grown = environment.model_construct(
        **{
            **vars(environment),
            "nodes": nodes.model_construct(**{**vars(nodes), "count": more + nodes.count}),
        }
    )
    before, after = (
        cost_sheet(bill(e), e.region, stated=AMPLE.stated(e.region), other_region="us-east-1")
        for e in (environment, grown)
    )
    assert after.full.per_day > before.full.per_day
    assert after.idle.per_day >= before.idle.per_day
    assert before.unpriced == ()
