"""A plan as an environment file, with the arithmetic as comments, checked by loading it."""

import re
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Final

from ultracluster.catalogue.interfaces import addresses
from ultracluster.cost.sheet import CostSheet
from ultracluster.plan.quotas import quotas
from ultracluster.planner.outcome import Plan
from ultracluster.planner.price import CAPACITY_BLOCK, SAGEMAKER, stand_in
from ultracluster.planner.question import PlanError
from ultracluster.spec.environment import (
    GIB_PER_LUSTRE_INTERFACE,
    LUSTRE_METADATA_INTERFACES,
    SAGEMAKER_ADDRESSES_PER_EFA_INSTANCE,
)
from ultracluster.spec.loading import EnvironmentFileError, load
from ultracluster.spec.network import INTERFACE_ENDPOINTS, LARGEST_PREFIX, prefix_for
from ultracluster.spec.nodes import (
    MOST_INSTANCES_PER_CAPACITY_BLOCK,
    MOST_INSTANCES_PER_RESERVATION,
)
from ultracluster.spec.problem import SpecError

LONGEST_NAME: Final = 24
WIDTH: Final = 100
MARGIN: Final = Decimal("1.05")
"""Room of the ceiling over the sheet: what is not counted, and rounding."""
UNLIMITED: Final = 1_000_000_000
SMALLEST_SUBNET: Final = 24
BLOCK_ID: Final = "cr-00000000000000000"
DATA: Final = 'DataRepositorySpec(file_system_path="/data", prefix="data/", auto_export=())'
RESERVED_FROM: Final = 8
"""Nodes from which on-demand capacity is reserved: fewer are usually found when they are asked."""


@dataclass(frozen=True, slots=True)
class Size:
    """What of a plan becomes a number in the file.

    Attributes:
        nodes: EC2 nodes of the cluster, with spares.
        jobs: SageMaker instances, with spares.
        addresses: That the training subnet must hold.
        prefix: Of that subnet.
    """

    nodes: int
    jobs: int
    addresses: int
    prefix: int


def write(plan: Plan, path: Path) -> list[str]:
    """Write an environment file, and return what to say about it.

    Raises:
        PlanError: where the file exists, cannot be written, or the plan cannot be an environment.
    """
    if path.suffix != ".py":
        raise PlanError(f"--write: got {path}; an environment is a Python file; write {path}.py")
    if path.exists():
        raise PlanError(f"--write: got {path}; it exists; write another path, or remove it")
    question = plan.question
    if not plan.bill.nodes_known:
        raise PlanError(
            f"--write: no price of {question.instance_type} by {question.purchase} in "
            f"{question.region} is known, and a ceiling that leaves it out would not hold; write "
            "another --purchase or --region"
        )
    size = _size(plan)
    draft = text(plan, path.stem, size, ceiling=UNLIMITED)
    sheet = _sheet(draft)
    whole = int((sheet.full.per_day * MARGIN / 100).to_integral_value(ROUND_CEILING) * 100)
    final = text(plan, path.stem, size, ceiling=whole)
    _sheet(final)
    try:
        path.write_text(final, encoding="utf-8")
    except OSError as error:
        raise PlanError(f"--write: got {path}; {error.strerror}; write another path") from error
    return [
        (
            f"environment: {path} ({size.nodes:,} nodes, {size.jobs:,} SageMaker instances, at "
            f"most {whole:,} USD a day); try it with `make rehearse ENV={path}`"
        ),
        *(f"quota to ask for: {line}" for line in quotas(plan, nodes=size.nodes, jobs=size.jobs)),
    ]


def _sheet(source: str) -> CostSheet:
    """Load a file's text as anybody would, and return what its environment costs.

    Raises:
        PlanError: where it is none, with the first reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "environment.py"
        path.write_text(source, encoding="utf-8")
        try:
            (environment,) = load(path)
        except SpecError as error:
            raise PlanError(f"--write: no environment can be this: {error.problems[0]}") from error
        except EnvironmentFileError as error:
            raise PlanError(f"--write: {error}") from error
    return environment.cost_sheet()


def _size(plan: Plan) -> Size:
    question, outcome = plan.question, plan.outcome
    together = outcome.nodes + outcome.goodput.spare_nodes
    on_sagemaker = question.purchase == SAGEMAKER
    # A SageMaker environment keeps one node to look at data and images with; it starts at zero.
    nodes, jobs = (1, together) if on_sagemaker else (together, 0)
    if question.purchase == CAPACITY_BLOCK and nodes > MOST_INSTANCES_PER_CAPACITY_BLOCK:
        raise PlanError(
            f"--write: {nodes:,} nodes; a Capacity Block holds at most "
            f"{MOST_INSTANCES_PER_CAPACITY_BLOCK}; write fewer --nodes, or --purchase on-demand"
        )
    if nodes > MOST_INSTANCES_PER_RESERVATION:
        raise PlanError(
            f"--write: {nodes:,} nodes with spares; a reservation holds at most "
            f"{MOST_INSTANCES_PER_RESERVATION:,}; write fewer --nodes"
        )
    held = nodes * addresses(question.instance, "one-address")
    held += jobs * SAGEMAKER_ADDRESSES_PER_EFA_INSTANCE + len(INTERFACE_ENDPOINTS)
    held += -(-outcome.lustre.capacity_gib // GIB_PER_LUSTRE_INTERFACE) + LUSTRE_METADATA_INTERFACES
    prefix = min(SMALLEST_SUBNET, prefix_for(held))
    if prefix < LARGEST_PREFIX + 1:
        raise PlanError(f"--write: {held:,} addresses need several subnets; write fewer --nodes")
    return Size(nodes, jobs, held, prefix)


def text(plan: Plan, stem: str, size: Size, *, ceiling: int) -> str:
    """Return the file."""
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-").lstrip("0123456789-")
    name = name[:LONGEST_NAME].rstrip("-") or "planned"
    zones = plan.question.instance.zones(plan.question.region)
    if not zones:
        raise PlanError(
            f"--write: the zones of {plan.question.region} are not known; write the environment "
            "by hand, or another --region"
        )
    return "".join(f"{line}\n" for line in _lines(plan, name, size, zones[0], ceiling))


def _lines(plan: Plan, name: str, size: Size, zone: str, ceiling: int) -> Iterator[str]:
    question, outcome = plan.question, plan.outcome
    shape, layout = question.shape, outcome.step.layout
    kinds = ["NodesSpec"]
    if question.purchase == CAPACITY_BLOCK:
        kinds.insert(0, "CapacityBlockSpec")
    elif size.nodes >= RESERVED_FROM:
        kinds.insert(0, "CapacityReservationSpec")
    yield (
        f'"""{shape.parameters / 1e9:,.1f} B parameters on {question.tokens / 1e9:,.0f} B tokens, '
        f'planned for {outcome.nodes:,} {question.instance_type}."""'
    )
    yield ""
    yield "from ultracluster.spec.budget import BudgetSpec"
    yield "from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec"
    yield "from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec"
    yield "from ultracluster.spec.network import NetworkSpec"
    yield f"from ultracluster.spec.nodes import {', '.join(kinds)}"
    yield ""
    step = outcome.step
    yield from _comment(
        f"The model: {shape.layers} layers of width {shape.hidden:,}, sequences of "
        f"{shape.sequence:,}. Each of {layout.gpus:,} GPUs works on {layout.micro_batch} sequences "
        f"{layout.accumulation} times a step, activations "
        f"{'recomputed' if layout.checkpointing else 'kept'}: {step.seconds:,.1f} s a step, "
        f"{step.tokens_per_second(shape):,.0f} tokens/s, {outcome.days:,.1f} days with failures.",
    )
    yield f"NODES = {outcome.nodes}"
    yield from _comment(
        f"{question.rate.per_node_day:g} failures a node and day, each away for a day: so many "
        "spares are enough 99 % of the time.",
    )
    yield f"SPARES = {outcome.goodput.spare_nodes}"
    yield from _comment(
        "GPUs that hold one copy of the model state; the training program's "
        f"parallel.partition_size. A GPU then holds {step.holding.needed / 2**30:,.1f} GiB of "
        f"{step.holding.capacity / 2**30:,.1f} at least.",
    )
    yield f"PARTITION_GROUP = {layout.group}"
    if layout.tensor > 1:
        yield from _comment("GPUs of a node that share every layer: parallel.tensor_parallel.")
        yield f"TENSOR_PARALLEL = {layout.tensor}"
    yield ""
    yield f"{name.replace('-', '_').upper()} = EnvironmentSpec("
    yield f'    name="{name}",'
    yield f'    region="{question.region}",'
    yield f'    availability_zone_id="{zone}",'
    yield "    network=NetworkSpec("
    yield from _comment(f"{size.addresses:,} addresses with file servers and endpoints.", 8)
    yield f'        training_subnet_cidrs=("10.0.0.0/{size.prefix}",),'
    yield "    ),"
    yield from _nodes(plan, size)
    yield from _storage(plan)
    jobs = "NODES + SPARES" if size.jobs else "0"
    yield f"    sagemaker=SageMakerSpec(instances={jobs}),"
    yield from _comment(
        "The sheet at full size and 5 %; `ultracluster cost` prints it. Most of it is nodes.", 4
    )
    region = _price_region(plan)
    taken = f', price_region="{region}"' if region else ""
    yield f"    budget=BudgetSpec(ceiling_usd_per_day={_grouped(ceiling)}{taken}),"
    yield "    termination_protection=True,"
    yield ")"


def _nodes(plan: Plan, size: Size) -> Iterator[str]:
    count = "1" if size.jobs else "NODES + SPARES"
    instance_type = plan.question.instance_type
    if plan.question.purchase == CAPACITY_BLOCK:
        yield "    nodes=NodesSpec("
        yield f'        instance_type="{instance_type}",'
        yield f"        count={count},"
        yield "        placement_group=False,"
        yield from _comment("Replace it by the id of the block once it is bought.", 8)
        yield f'        capacity_block=CapacityBlockSpec(capacity_reservation_id="{BLOCK_ID}"),'
        yield "    ),"
    elif size.nodes >= RESERVED_FROM:
        yield "    nodes=NodesSpec("
        yield f'        instance_type="{instance_type}",'
        yield f"        count={count},"
        yield from _comment("It is charged from the moment it is made, used or not.", 8)
        yield "        capacity_reservation=CapacityReservationSpec(),"
        yield "    ),"
    else:
        yield f'    nodes=NodesSpec(instance_type="{instance_type}", count={count}),'


def _storage(plan: Plan) -> Iterator[str]:
    lustre, good = plan.outcome.lustre, plan.outcome.goodput
    yield from _comment(
        f"A checkpoint is {good.checkpoint_bytes / 1e9:,.0f} GB (14 bytes a parameter), written in "
        f"{good.write_seconds:,.0f} s at {lustre.write_bandwidth / 1e9:,.1f} GB/s every "
        f"{good.interval / 60:,.0f} minutes: {good.checkpoint_share:.1%} of the time. Three of "
        f"them and the tokens are {lustre.held_bytes / 1e12:,.1f} TB; training reads "
        f"{lustre.input_bandwidth / 1e6:,.1f} MB/s.",
        4,
    )
    yield "    storage=LustreSpec("
    yield '        deployment_type="PERSISTENT_2",'
    yield f"        capacity_gib={lustre.capacity_gib},"
    yield f"        per_unit_storage_throughput={lustre.per_unit_throughput},"
    yield '        metadata_iops="AUTOMATIC",'
    yield "        customer_key=True,"
    yield "        data_repositories=("
    yield f"            {DATA},"
    yield "            DataRepositorySpec("
    yield '                file_system_path="/checkpoints", prefix="checkpoints/", auto_import=()'
    yield "            ),"
    yield "        ),"
    yield "        keep_data=True,"
    yield "    ),"


def _price_region(plan: Plan) -> str | None:
    """Return the Region whose prices stand in, where the own one lacks some."""
    lacks = any(line.price.region != plan.question.region for line in plan.bill.sheet.lines)
    return stand_in(plan.question.region) if lacks or plan.bill.sheet.unpriced else None


def _comment(words: str, indent: int = 0) -> Iterator[str]:
    prefix = " " * indent + "# "
    yield from textwrap.wrap(words, WIDTH - indent, initial_indent=prefix, subsequent_indent=prefix)


def _grouped(value: int) -> str:
    return f"{value:_}" if value >= 1_000 else str(value)  # noqa: PLR2004 - as people group digits
