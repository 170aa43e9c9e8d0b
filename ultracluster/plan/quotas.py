"""Quotas that a plan's account must have, by the names and codes of facts/quotas.json."""

from collections.abc import Iterator
from typing import Final

from ultracluster.planner.outcome import Plan
from ultracluster.planner.price import ON_DEMAND
from ultracluster.planner.storage import DEFAULT_QUOTA_GIB

P_INSTANCES: Final = "L-417A185B"
LUSTRE_CAPACITY: Final = "L-8F1B9C74"
NETWORK_INTERFACES: Final = "L-DF5E4CA3"
DEFAULT_INTERFACES: Final = 5_000
"""Network interfaces of a Region by default; an account's own quota goes first."""


def quotas(plan: Plan, *, nodes: int, jobs: int) -> Iterator[str]:
    question, instance = plan.question, plan.question.instance
    if question.purchase == ON_DEMAND or jobs:
        yield (
            f"EC2, Running On-Demand P instances ({P_INSTANCES}): {nodes * instance.vcpus:,} vCPU "
            f"({nodes:,} x {instance.vcpus})"
        )
    if jobs:
        yield f"SageMaker, {instance.sagemaker_training_type} for training job usage: {jobs:,}"
    interfaces = nodes * len(instance.network_cards.efa_recommended)
    if interfaces > DEFAULT_INTERFACES:
        yield f"VPC, network interfaces per Region ({NETWORK_INTERFACES}): {interfaces:,}"
    capacity = plan.outcome.lustre.capacity_gib
    default = f"{DEFAULT_QUOTA_GIB:,} by default"
    if plan.outcome.lustre.above_quota:
        yield (
            f"FSx, Persistent_2 storage capacity ({LUSTRE_CAPACITY}): {capacity:,} GiB ({default})"
        )
    else:
        yield f"FSx, Persistent_2 storage capacity: {capacity:,} GiB of {default}, usually there"
