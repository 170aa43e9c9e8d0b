"""A plan as plain values, for JSON, table and page."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from ultracluster.catalogue.quotas import NETWORK_INTERFACES, lustre, of_training, on_demand
from ultracluster.planner.devices import GIB
from ultracluster.planner.layout import KEPT, RECOMPUTED
from ultracluster.planner.memory import memory
from ultracluster.planner.outcome import Alternative, Plan
from ultracluster.planner.price import ON_DEMAND, SAGEMAKER, Bill, price_of_nodes
from ultracluster.planner.step import Step
from ultracluster.planner.storage import DEFAULT_QUOTA_GIB, DEPLOYMENT
from ultracluster.planner.uncertainty import Uncertainty

HOUR = 3600
OF_THE_MODEL: Final = (
    *("parameters", "layers", "hidden", "heads", "vocabulary", "sequence", "experts"),
    "active_parameters",
)
DEFAULT_INTERFACES: Final = 5_000
"""Network interfaces of a Region by default; an account's own quota goes first."""


def document(plan: Plan, doubt: Uncertainty, alternatives: Sequence[Alternative]) -> dict[str, Any]:
    """Return a plan as plain values; units are in the names."""
    question, outcome, shape = plan.question, plan.outcome, plan.question.shape
    left = outcome.goodput
    return {
        "model": {
            **{name: getattr(shape, name) for name in OF_THE_MODEL},
            "tokens": question.tokens,
        },
        "machine": {
            "instance_type": question.instance_type,
            "nodes": outcome.nodes,
            "gpus": outcome.step.layout.gpus,
            "gpu": plan.setup.gpu.name,
            "region": question.region,
            "network_efficiency": plan.setup.network.efficiency,
            "node_gbps": plan.setup.network.node_bandwidth * 8 / 1e9,
        },
        "layout": layout(outcome.step),
        "smallest_partition_group_by_tensor_degree": plan.smallest_groups,
        "memory_gib": _memory(plan),
        "step": _step(plan, doubt),
        "runners_up": [
            {**layout(each.step), **_speed(each.step), "why": each.why} for each in plan.runners_up
        ],
        "scaling": [asdict(point) for point in plan.curve],
        "goodput": {
            "failures_per_node_day": question.rate.per_node_day,
            "failures_source": question.rate.source,
            "hours_between_failures": left.mean_time_between_failures / HOUR,
            "checkpoint_interval_minutes": left.interval / 60,
            "checkpoint_interval_steps": max(1, int(left.interval / outcome.step.seconds)),
            "checkpoint_gb": left.checkpoint_bytes / 1e9,
            "checkpoint_write_seconds": left.write_seconds,
            "checkpoint_share": left.checkpoint_share,
            "restart_minutes": left.restart_seconds / 60,
            "fraction": left.fraction,
            "spare_nodes": left.spare_nodes,
        },
        "storage": {
            "deployment_type": DEPLOYMENT,
            "capacity_gib": outcome.lustre.capacity_gib,
            "per_unit_storage_throughput": outcome.lustre.per_unit_throughput,
            "write_gb_per_s": outcome.lustre.write_bandwidth / 1e9,
            "needed_gb_per_s": outcome.lustre.wanted_bandwidth / 1e9,
            "input_mb_per_s": outcome.lustre.input_bandwidth / 1e6,
            "holds_gb": outcome.lustre.held_bytes / 1e9,
            "above_default_quota": outcome.lustre.above_quota,
        },
        "time": {
            "days": outcome.days,
            "days_range": list(doubt.days),
            "days_extremes": list(doubt.extremes),
            "node_hours": outcome.node_hours,
        },
        "cost": [_cost(bill) for bill in plan.bills],
        "quotas_to_ask_for": list(quotas(plan, *nodes_and_jobs(plan))),
        "alternatives": [_alternative(each) for each in alternatives],
        "doubts": [asdict(each) for each in doubt.doubts],
        "calibrated_by": list(_calibrations(plan)),
        "notes": list(plan.notes),
    }


def nodes_and_jobs(plan: Plan) -> tuple[int, int]:
    """Return the nodes and the SageMaker instances of a plan.

    A SageMaker environment keeps one node to look at data and images with; it starts at zero.
    """
    together = plan.outcome.nodes + plan.outcome.goodput.spare_nodes
    return (1, together) if plan.question.purchase == SAGEMAKER else (together, 0)


def quotas(plan: Plan, nodes: int, jobs: int) -> Iterator[str]:
    """Yield the quotas that the account must have, by their names and codes."""
    question, instance = plan.question, plan.question.instance
    if question.purchase == ON_DEMAND or jobs:
        _, vcpus = on_demand(instance.name)
        needed = f"{nodes * instance.vcpus:,} vCPU ({nodes:,} x {instance.vcpus})"
        yield f"EC2, {vcpus.name} ({vcpus.code}): {needed}"
    if jobs:
        yield f"SageMaker, {of_training(str(instance.sagemaker_training_type)).name}: {jobs:,}"
    interfaces = nodes * len(instance.network_cards.efa_recommended)
    if interfaces > DEFAULT_INTERFACES:
        yield f"VPC, network interfaces per Region ({NETWORK_INTERFACES.code}): {interfaces:,}"
    capacity = plan.outcome.lustre.capacity_gib
    default = f"{DEFAULT_QUOTA_GIB:,} by default"
    if plan.outcome.lustre.above_quota:
        code = lustre(DEPLOYMENT).capacity.code
        yield f"FSx, Persistent_2 storage capacity ({code}): {capacity:,} GiB ({default})"
    else:
        yield f"FSx, Persistent_2 storage capacity: {capacity:,} GiB of {default}, usually there"


def layout(step: Step) -> dict[str, Any]:
    chosen = step.layout
    return {
        "partition_group_gpus": chosen.group,
        "replicas": chosen.replicas,
        "tensor_parallel": chosen.tensor,
        "pipeline_stages": chosen.pipeline,
        "chunks_per_stage": chosen.chunks,
        "context_parallel": chosen.context,
        "expert_parallel": chosen.expert,
        "micro_batch": chosen.micro_batch,
        "accumulation": chosen.accumulation,
        "activations": chosen.activations,
        "hierarchical_gather": chosen.hierarchical,
        "sequences_per_step": chosen.sequences,
    }


def _speed(step: Step) -> dict[str, float]:
    return {
        "seconds": step.seconds,
        "tokens_per_second": step.tokens_per_second,
        "memory_needed_gib": step.holding.needed / GIB,
    }


def _step(plan: Plan, doubt: Uncertainty) -> dict[str, Any]:
    step = plan.outcome.step
    passes = step.layout.accumulation
    computing = step.computing
    return {
        "seconds": step.seconds,
        "seconds_range": list(doubt.step_seconds),
        "tokens_per_second": step.tokens_per_second,
        "model_tflops_per_gpu": step.model_tflops,
        "hardware_tflops_per_gpu": step.hardware_tflops,
        "mfu": step.model_tflops * 1e12 / plan.setup.gpu.peak,
        "spent_seconds": {
            "matrix products": computing.products * passes,
            "attention": computing.attention * passes,
            "element-wise": computing.elementwise * passes,
            "output layer and loss": computing.loss * passes,
            "waiting for the network": step.exposed,
            "stages waiting for each other (bubble)": step.bubble,
            "scarce memory": step.shortage,
            "optimizer and the rest": step.optimizer,
        },
        "sent_seconds": {
            "gather of weights": step.sending.sharded.gather * step.times_sharded,
            "reduce-scatter of gradients": step.sending.sharded.reduce_scatter * step.times_sharded,
            "second hop between groups": step.sending.second_hop,
            "tensor-parallel all-reduces": step.sending.passing.tensor * passes,
            "activations between stages": step.sending.passing.stages * passes,
            "tokens to experts and back": step.sending.passing.experts * passes,
            "keys and values of other ranks": step.sending.passing.context * passes,
        },
    }


def _memory(plan: Plan) -> dict[str, Any]:
    step = plan.outcome.step
    other_way = RECOMPUTED if step.layout.activations == KEPT else KEPT
    other = memory(plan.setup, replace(step.layout, activations=other_way))
    chosen = step.holding
    return {
        "activations": step.layout.activations,
        "capacity": chosen.capacity / GIB,
        "items": {name: size / GIB for name, size in chosen.items().items()},
        "needed": chosen.needed / GIB,
        "other_way": {
            "activations": other_way,
            "items": {name: size / GIB for name, size in other.items().items()},
            "needed": other.needed / GIB,
            "fits": other.fits,
        },
    }


def _cost(bill: Bill) -> dict[str, Any]:
    known = bill.nodes_known
    price = price_of_nodes(bill.sheet)
    return {
        "purchase": bill.option,
        "nodes_price_known": known,
        "nodes_usd_per_hour": float(price.usd) if price else None,
        "nodes_price_region": price.region if price else None,
        "usd_per_day": bill.per_day if known else None,
        "usd": bill.total if known else None,
        "days": bill.days,
        "items": [
            {
                "item": line.quantity.item.name,
                "purpose": line.quantity.purpose,
                "quantity": float(line.quantity.full),
                "unit": line.quantity.item.unit.value,
                "usd_per_unit": float(line.price.usd),
                "usd_per_day": float(line.full.per_day),
                "usd": float(line.full.per_day) * bill.days,
                "share": float(bill.sheet.share(line)),
                "price_region": line.price.region,
                "price_date": line.price.date,
                "price_source": line.price.source,
                "confidence": line.price.confidence,
            }
            for line in bill.sheet.lines
        ],
        "no_price_known": [
            {"item": each.item.name, "purpose": each.purpose} for each in bill.sheet.unpriced
        ],
        "dominated_by": [line.quantity.purpose for line in bill.sheet.dominating(2)]
        if known
        else ["nodes"],
    }


def _alternative(each: Alternative) -> dict[str, Any]:
    found, bill = each.outcome, each.bill
    return {
        "instance_type": each.instance_type,
        "gpu": each.gpu.name,
        "measured_gpu": each.gpu.measured,
        "nodes": found.nodes if found else None,
        "days": found.days if found else None,
        "purchase": bill.option if bill else None,
        "usd": bill.total if bill and bill.nodes_known else None,
        "why_not": each.why_not,
    }


def _calibrations(plan: Plan) -> Iterator[str]:
    network, run, gpu = plan.question.network, plan.question.run, plan.setup.gpu
    if network is not None:
        what = f"{network.collective} of {network.size / 2**30:.3g} GiB"
        link = f"{gpu.link_bandwidth / 1e9:,.0f} GB/s"
        if network.nodes > 1:
            yield (
                f"network: {what} on {network.nodes} nodes, "
                f"{network.algorithm_bandwidth / 1e9:.1f} GB/s, so "
                f"{plan.setup.network.efficiency:.0%} of the line rate and "
                f"{plan.setup.network.hop_latency * 1e6:.0f} us a hop"
            )
        elif network.by_switches(gpu):
            yield (
                f"NVLink: {what} at {network.bus_bandwidth / 1e9:,.0f} GB/s went through its "
                f"switches, which gathers of weights cannot: {link} stay assumed; give a log of "
                "all_gather_perf"
            )
        else:
            yield (
                f"NVLink: {what} on {network.ranks} GPUs of one node, so {link} between them; it "
                "says nothing about the network"
            )
    if run is not None:
        yield (
            f"program: {run.tokens_per_second:,.0f} tokens/s on {run.layout.gpus} x "
            f"{run.gpu_name}, median of {run.steps} steps"
        )
