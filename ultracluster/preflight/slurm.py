"""AWS Parallel Computing Service (PCS): sold in the Region, clusters allowed, the name free.

Node groups and queues of a cluster, and what each size manages, cannot be raised: an environment's
rules and the fabric rules hold them (`ultracluster/spec/part_rules.py`, SLURM-1).
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import SIZES, cluster_name
from ultracluster.preflight.finding import (
    Check,
    Examination,
    Finding,
    Situation,
    failed,
    passed,
    skipped,
)
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
        yield failed(subject, "not there", f"one of {len(known)} Regions", fix, question=REGIONS)


def of_each_fabric(examine: Examination) -> Examination:
    """Return the examination of the environment's nodes and, as if they were, of each group's."""

    def examined(situation: Situation) -> Iterator[Finding]:
        yield from examine(situation)
        for field, nodes in situation.spec.fabrics().items():
            if nodes is situation.spec.nodes:
                continue
            spec = situation.spec.model_construct(**{**vars(situation.spec), "nodes": nodes})
            for finding in examine(replace(situation, spec=spec)):
                subject = f"{finding.subject}, {field}"
                fix = re.sub(r"\bnodes\.", f"{field}.", finding.fix)
                yield replace(finding, subject=subject, fix=fix)

    return examined


def clusters_of_others(situation: Situation) -> int:
    """Count the clusters that stay while the environment's is made.

    One of the environment in another size is among them: it is deleted after the new one is made.
    """
    planned = _planned_name(situation)
    return sum(not (row["name"] == planned and _is_own(situation, row)) for row in _rows(situation))


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
            faults.append(failed(name, f"{found} has the name", "free", fix, question=CLUSTERS))
        # botocore 1.43.106, CreateCluster: a second one is refused while one is being created.
        if row["status"] == CREATING:
            fix, subject = f"wait until {row['name']} is ACTIVE", "clusters being created"
            fix += "; a Region creates one cluster at a time"
            faults.append(failed(subject, row["name"], "none", fix, question=CLUSTERS))
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


CHECKS: Final = (
    Check("slurm-region", "AWS PCS is offered in the Region", _region),
    Check("slurm-cluster", "The Slurm cluster can be made under its name", _name),
)
