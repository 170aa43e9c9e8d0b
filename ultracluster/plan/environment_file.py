"""A plan as an environment file, with the arithmetic as comments, checked by loading it."""

import re
import tempfile
import textwrap
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Final

from ultracluster.command_line import STANDARD_OUTPUT
from ultracluster.plan.quotas import quotas
from ultracluster.planner.outcome import Plan
from ultracluster.planner.price import CAPACITY_BLOCK, SAGEMAKER, other_region
from ultracluster.planner.question import PlanError
from ultracluster.spec.cidr import LARGEST_PREFIX, prefix_for
from ultracluster.spec.environment import LONGEST_NAME, EnvironmentSpec
from ultracluster.spec.loading import load
from ultracluster.spec.problem import EnvironmentFileError, SpecError

WIDTH: Final = 100
MARGIN: Final = Decimal("1.05")
"""Room of the ceiling over the sheet: what is not counted, and rounding."""
UNLIMITED: Final = 1_000_000_000
SMALLEST_SUBNET: Final = 24
BLOCK_ID: Final = "cr-00000000000000000"
RESERVED_FROM: Final = 8
"""Nodes from which on-demand capacity is reserved: fewer are usually found when they are asked."""
FILE: Final = '''\
"""{title}"""

from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import {node_classes}

{model}
NODES = {nodes}
{spares_why}
SPARES = {spares}
{group_why}
PARTITION_GROUP = {group}
{tensor}
{constant} = EnvironmentSpec(
    name="{name}",
    region="{region}",
    availability_zone_id="{zone}",
    network=NetworkSpec(
        # {addresses:,} addresses with file servers and endpoints.
        training_subnet_cidrs=("10.0.0.0/{prefix}",),
    ),
{node_spec}
{storage_why}
    storage=LustreSpec(
        deployment_type="PERSISTENT_2",
        capacity_gib={capacity_gib},
        per_unit_storage_throughput={throughput},
        metadata_iops="AUTOMATIC",
        customer_key=True,
        data_repositories=(
            DataRepositorySpec(file_system_path="/data", prefix="data/", auto_export=()),
            DataRepositorySpec(
                file_system_path="/checkpoints", prefix="checkpoints/", auto_import=()
            ),
        ),
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances={jobs}),
    # The sheet at full size and 5 %; `ultracluster cost` prints it. Most of it is nodes.
    budget=BudgetSpec(ceiling_usd_per_day={ceiling}{price_region}),
    termination_protection=True,
)
'''


@dataclass(frozen=True, slots=True)
class WrittenEnvironment:
    """The text of a file, and what to say about it."""

    text: str
    lines: list[str]


def environment_of(plan: Plan, path: Path) -> WrittenEnvironment:
    """Return a plan as the file that is to be written.

    Raises:
        PlanError: where the file exists, or the plan cannot be an environment.
    """
    printed = str(path) == STANDARD_OUTPUT
    if path.suffix != ".py" and not printed:
        raise PlanError(f"--write: got {path}; an environment is a Python file; write {path}.py")
    if path.exists() and not printed:
        raise PlanError(f"--write: got {path}; it exists; write another path, or remove it")
    question, outcome = plan.question, plan.outcome
    if not plan.bill.nodes_known:
        raise PlanError(
            f"--write: no price of {question.instance_type} by {question.purchase} in "
            f"{question.region} is known, and a ceiling that leaves it out would not hold; write "
            "another --purchase or --region"
        )
    together = outcome.nodes + outcome.goodput.spare_nodes
    # A SageMaker environment keeps one node to look at data and images with; it starts at zero.
    nodes, jobs = (1, together) if question.purchase == SAGEMAKER else (together, 0)
    stem = "" if printed else path.stem
    draft = _loaded(_text(plan, stem, nodes, jobs, addresses=0, ceiling=UNLIMITED))
    addresses = sum(draft.address_demand().values())
    sum_per_day = draft.cost_sheet().full.per_day
    ceiling = int((sum_per_day * MARGIN / 100).to_integral_value(ROUND_CEILING) * 100)
    text = _text(plan, stem, nodes, jobs, addresses=addresses, ceiling=ceiling)
    _loaded(text)
    what = f"{nodes:,} nodes, {jobs:,} SageMaker instances, at most {ceiling:,} USD a day"
    written = f"environment: {path} ({what}); try it with `make rehearse ENV={path}`"
    asked = [f"quota to ask for: {line}" for line in quotas(plan, nodes=nodes, jobs=jobs)]
    return WrittenEnvironment(text, [written, *asked])


def _loaded(source: str) -> EnvironmentSpec:
    """Load a file's text as anybody would.

    Raises:
        PlanError: where it is no environment, with the first reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "environment.py"
        path.write_text(source, encoding="utf-8")
        try:
            (environment,) = load(path)
        except SpecError as error:
            why = f"no environment can be this: {error.problems[0]}"
            raise PlanError(f"--write: {why}; write other --nodes or --purchase") from error
        except EnvironmentFileError as error:
            raise PlanError(f"--write: {error}") from error
    return environment


def _text(plan: Plan, stem: str, nodes: int, jobs: int, *, addresses: int, ceiling: int) -> str:
    """Return the file; without a number of addresses its subnet is the largest that there is."""
    question, outcome = plan.question, plan.outcome
    shape, step, lustre, good = question.shape, outcome.step, outcome.lustre, outcome.goodput
    layout = step.layout
    zones = question.instance.zones(question.region)
    if not zones:
        raise PlanError(
            f"--write: the zones of {question.region} are not known; write the environment by "
            "hand, or another --region"
        )
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-").lstrip("0123456789-")
    name = name[:LONGEST_NAME].rstrip("-") or "planned"
    node_class, node_spec = _nodes(plan, nodes, "1" if jobs else "NODES + SPARES")
    region = _price_region(plan)
    steps = f"{layout.accumulation} accumulation step{'' if layout.accumulation == 1 else 's'}"
    kept = "recomputed" if layout.checkpointing else "kept"
    return FILE.format(
        title=f"{shape.parameters / 1e9:,.1f} B parameters on {question.tokens / 1e9:,.0f} B "
        f"tokens, planned for {outcome.nodes:,} {question.instance_type}.",
        node_classes=", ".join(sorted(filter(None, (node_class, "NodesSpec")))),
        model=_comment(
            f"The model: {shape.layers} layers of width {shape.hidden:,}, sequences of "
            f"{shape.sequence:,}. {layout.gpus:,} GPUs, micro-batch {layout.micro_batch}, {steps}, "
            f"activations {kept}: {step.seconds:,.1f} s a step, "
            f"{step.tokens_per_second:,.0f} tokens/s, {outcome.days:,.1f} days with "
            "failures."
        ),
        nodes=outcome.nodes,
        spares_why=_comment(
            f"{question.rate.per_node_day:g} failures a node and day, each away for a day: so many "
            "spares are enough 99 % of the time."
        ),
        spares=good.spare_nodes,
        group_why=_comment(
            "GPUs that hold one copy of the model state; the training program's "
            f"parallel.partition_size. A GPU then holds {step.holding.needed / 2**30:,.1f} GiB of "
            f"{step.holding.capacity / 2**30:,.1f} at least."
        ),
        group=layout.group,
        tensor=_tensor(layout.tensor),
        constant=name.replace("-", "_").upper(),
        name=name,
        region=question.region,
        zone=zones[0],
        addresses=addresses,
        prefix=min(SMALLEST_SUBNET, prefix_for(addresses)) if addresses else LARGEST_PREFIX + 1,
        node_spec=node_spec,
        storage_why=_comment(
            f"A checkpoint is {good.checkpoint_bytes / 1e9:,.0f} GB (14 bytes a parameter), "
            f"written in {good.write_seconds:,.0f} s at {lustre.write_bandwidth / 1e9:,.1f} GB/s "
            f"every {good.interval / 60:,.0f} minutes: {good.checkpoint_share:.1%} of the time. "
            f"Three of them and the tokens are {lustre.held_bytes / 1e12:,.1f} TB; training reads "
            f"{lustre.input_bandwidth / 1e6:,.1f} MB/s.",
            indent=4,
        ),
        capacity_gib=lustre.capacity_gib,
        throughput=lustre.per_unit_throughput,
        jobs="NODES + SPARES" if jobs else "0",
        ceiling=f"{ceiling:_}",
        price_region=f', price_region="{region}"' if region else "",
    )


def _tensor(degree: int) -> str:
    if degree == 1:
        return ""
    why = _comment("GPUs of a node that share every layer: parallel.tensor_parallel.")
    return f"{why}\nTENSOR_PARALLEL = {degree}\n"


def _nodes(plan: Plan, nodes: int, count: str) -> tuple[str | None, str]:
    """Return the class that says how capacity is had, if one does, and the nodes."""
    instance_type = plan.question.instance_type
    how: list[str]
    if plan.question.purchase == CAPACITY_BLOCK:
        kind = "CapacityBlockSpec"
        how = [
            "placement_group=False,",
            "# Replace it by the id of the block once it is bought.",
            f'capacity_block={kind}(capacity_reservation_id="{BLOCK_ID}"),',
        ]
    elif nodes >= RESERVED_FROM:
        kind = "CapacityReservationSpec"
        how = [
            "# It is charged from the moment it is made, used or not.",
            f"capacity_reservation={kind}(),",
        ]
    else:
        return None, f'    nodes=NodesSpec(instance_type="{instance_type}", count={count}),'
    lines = [f'instance_type="{instance_type}",', f"count={count},", *how]
    inner = textwrap.indent("\n".join(lines), " " * 8)
    return kind, f"    nodes=NodesSpec(\n{inner}\n    ),"


def _price_region(plan: Plan) -> str | None:
    """Return the Region whose prices stand in, where the own one lacks some."""
    lacks = any(line.price.region != plan.question.region for line in plan.bill.sheet.lines)
    return other_region(plan.question.region) if lacks or plan.bill.sheet.unpriced else None


def _comment(words: str, indent: int = 0) -> str:
    prefix = " " * indent + "# "
    width = WIDTH - indent
    return textwrap.fill(words, width, initial_indent=prefix, subsequent_indent=prefix)
