"""AWS Parallel Computing Service (PCS): sold in the Region, clusters allowed, the name free.

Node groups and queues of a cluster, and what each size manages, cannot be raised: an environment's
rules and the fabric rules hold them (`ultracluster/spec/part_rules.py`, SLURM-1).
"""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import SIZES, cluster_name
from ultracluster.preflight.finding import Finding, Situation, check, failed, passed, skipped
from ultracluster.preflight.inquiry import question

REGIONS: Final = question(
    "ssm",
    "get_parameters_by_path",
    Path="/aws/service/global-infrastructure/services/pcs/regions",
)
"""Where AWS says that PCS is (Systems Manager User Guide, public parameters, read 2026-11-23)."""
CLUSTERS: Final = question("pcs", "list_clusters")
CREATING: Final = "CREATING"
NO_SLURM: Final = "the environment has no Slurm"


@check("slurm-region", "AWS PCS is offered in the Region")
def _region(situation: Situation) -> Iterator[Finding]:
    region = situation.spec.region
    subject = f"AWS PCS in {region}"
    if situation.spec.slurm is None:
        yield skipped(subject, NO_SLURM)
        return
    known = {row["Value"] for row in situation.ask(REGIONS)["Parameters"]}
    if not known:
        yield skipped(subject, "AWS's public parameters list no Region of it", question=REGIONS)
    elif region in known:
        yield passed(subject, f"one of {len(known)} Regions", REGIONS)
    else:
        fix = "write slurm=None, or use a Region that has it"
        yield failed(subject, "not there", f"one of {len(known)} Regions", fix, REGIONS)


def clusters_of_others(situation: Situation) -> int:
    """Count the clusters that stay while the environment's is made.

    One of the environment in another size is among them: it is deleted after the new one is made.
    """
    planned = _planned_name(situation)
    return sum(not (row["name"] == planned and _is_own(situation, row)) for row in _rows(situation))


@check("slurm-cluster", "The Slurm cluster can be made under its name")
def _name(situation: Situation) -> Iterator[Finding]:
    """Names are unique in a Region, and one cluster at a time is made."""
    if situation.spec.slurm is None:
        yield skipped("PCS cluster", NO_SLURM)
        return
    name, faults = _planned_name(situation), []
    for row in _rows(situation):
        if _is_own(situation, row):
            continue
        if row["name"] == name:
            fix, found = "delete that cluster, or give the environment another name", row["id"]
            faults.append(failed(name, f"{found} has the name", "free", fix, CLUSTERS))
        # botocore 1.43.106, CreateCluster: a second one is refused while one is being created.
        if row["status"] == CREATING:
            fix, subject = f"wait until {row['name']} is ACTIVE", "clusters being created"
            fix += "; a Region creates one cluster at a time"
            faults.append(failed(subject, row["name"], "none", fix, CLUSTERS))
    words = "the name is free or the environment's, and none is created"
    yield from faults or [passed(name, words, CLUSTERS)]


def _planned_name(situation: Situation) -> str:
    spec = situation.spec
    size = "" if spec.slurm is None else spec.slurm.cluster_size(spec.nodes.total)
    return cluster_name(spec.name, size)


def _rows(situation: Situation) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = situation.ask(CLUSTERS)["clusters"]
    return rows


def _is_own(situation: Situation, row: dict[str, Any]) -> bool:
    """Whether a cluster is the environment's; its tags are asked for only if its name may be."""
    name = situation.spec.name
    if row["name"] not in {cluster_name(name, size) for size in SIZES}:
        return False
    asked = question("pcs", "list_tags_for_resource", resourceArn=row["arn"])
    return bool(situation.ask(asked)["tags"].get(ENVIRONMENT_TAG) == name)
