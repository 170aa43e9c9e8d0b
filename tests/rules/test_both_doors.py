"""A training request is judged alike behind both doors: `train check`, and `audit` of its file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.train.requests import changed, request
from tests.train.test_other_requests import VALID
from tests.train.test_planted_faults import PLANTED, SEEDED_PLAIN
from ultracluster import service_model
from ultracluster.audit.report import judged
from ultracluster.catalogue.training_request import VARIABLE, parsed
from ultracluster.catalogue.training_rules import advice
from ultracluster.input_files import Sources
from ultracluster.train.recipe_files import request_problems

REQUESTS = [
    *(changed(request(), path, value) for path, value in SEEDED_PLAIN),
    *(changed(request(), path, value) for path, value, _ in PLANTED),
    *VALID.values(),
    changed(request(), "EnableManagedSpotTraining", True),
    changed(request(), "EnableInterContainerTrafficEncryption", True),
    changed(request(), "Environment.HF_TOKEN", "hf_x"),
    changed(request(), "CheckpointConfig.LocalPath", "/opt/ml/model"),
]


def checked(asked: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return what `train check` says beyond the service's model, and of which fields that speaks.

    Variables of NCCL and EFA are judged by the FABRIC rules, by the same table.
    """
    of_the_model = list(service_model.problems("sagemaker", "CreateTrainingJob", asked))
    found = [*request_problems(asked)[len(of_the_model) :], *advice(parsed(asked))]
    return (
        {f"{p.field} {p.fix}" for p in found if p.code != VARIABLE},
        {p.field for p in of_the_model},
    )


def audited(asked: dict[str, Any], folder: Path) -> set[str]:
    """Return what the audit finds in the request."""
    path = folder / "request.json"
    path.write_text(json.dumps(asked))
    report = judged(Sources([str(path)]), {}, None, "error")
    return {
        f"{finding.message.partition(': got ')[0]} {finding.fix}"
        for finding in report.findings
        if finding.rule.startswith("SAGEMAKER-") and ": got " in finding.message
    }


@pytest.mark.parametrize("asked", REQUESTS)
def test_both_doors_say_the_same(asked: dict[str, Any], tmp_path: Path):
    """One rule, three uses: whatever `train check` refuses the audit finds, and nothing else."""
    said, of_the_model = checked(asked)
    found = audited(asked, tmp_path)

    assert said <= found
    assert {line for line in found if line.partition(" ")[0] not in of_the_model} <= said


def test_a_key_for_a_small_instance_with_local_disks_is_found_by_both(tmp_path: Path):
    """`ml.g5.2xlarge` is in no catalogue of types with EFA, and its disk is local all the same."""
    small = changed(request(), "ResourceConfig.InstanceType", "ml.g5.2xlarge")
    small = changed(small, "ResourceConfig.VolumeKmsKeyId", "1234abcd-12ab-34cd-56ef-1234567890ab")

    for said in (checked(small)[0], audited(small, tmp_path)):
        assert any("keeps its volume on local NVMe" in line for line in said)
