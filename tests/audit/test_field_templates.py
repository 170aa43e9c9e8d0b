"""Templates as the field writes them: right ones are left in peace, each fault is named alone.

They are written by hand after the patterns of public ones: node groups of Auto Scaling, EKS, Batch
and PCS, HyperPod, Lustre with associations, nested stacks, converted JSON, exports and parameters.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.audit.field_faults import FAULTS, FieldFault
from ultracluster.audit.report import Report, judged
from ultracluster.input_files import Sources
from ultracluster.rules.engine import RULES

FIELD: Final = Path(__file__).parent / "field"
REGIONS: Final = {"closed-network.yaml": "us-gov-west-1", "hyperpod-slurm.yaml": "us-west-2"}
TOGETHER: Final = (
    ("training-vpc.yaml", "batch-multi-node.yaml"),
    ("root.yaml", "training-vpc.yaml", "nested-compute.yaml"),
)
HONEST: Final = re.compile(
    r"parameter \w+ has no default|export [\w-]+ is of no given template|"
    r"(?:[\w ]+ )?[\w.-]+ is not in the given templates|"
    r"the Availability Zones of [\w-]+ differ by account|"
    r"it is chosen only when the state machine runs"
)
"""What a template may leave open: what is said at deployment or start, and what lies elsewhere."""


def audited(
    names: Sequence[str], directory: Path = FIELD, parameters: dict[str, str] | None = None
) -> Report:
    """Return what is said of templates together; exporting ones are named as their users do."""
    nested = "root.yaml" in names
    given = [
        f"training-vpc={directory / name}"
        if name == "training-vpc.yaml" and not nested
        else str(directory / name)
        for name in names
    ]
    sources = Sources(given)
    assert sources.errors == []
    region = next((REGIONS[name] for name in names if name in REGIONS), "us-east-1")
    return judged(sources, parameters or {}, region, "warning")


def above_info(report: Report) -> list[str]:
    return [f.rule for f in report.findings if RULES[f.rule].severity != "info"]


@pytest.mark.parametrize(
    "names",
    [*((path.name,) for path in sorted(FIELD.iterdir())), *TOGETHER],
    ids="+".join,
)
def test_a_right_template_of_the_field_is_left_in_peace(names: tuple[str, ...]):
    """A false alarm is a defect: whoever sees two of them reads no third finding."""
    report = audited(names)

    assert above_info(report) == []
    assert [u.because for u in report.unknown if not HONEST.match(u.because)] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule} in {fault.template}")
def test_a_fault_in_a_template_of_the_field_is_named(fault: FieldFault, tmp_path: Path):
    """By the rule that is about it, and by no other that is not."""
    for name in (fault.template, *fault.beside):
        (tmp_path / name).write_text((FIELD / name).read_text())
    right = (FIELD / fault.template).read_text()
    assert fault.old in right
    (tmp_path / fault.template).write_text(right.replace(fault.old, fault.new, 1))

    found = above_info(audited((fault.template, *fault.beside), tmp_path, dict(fault.parameters)))

    assert set(found) == {fault.rule, *fault.others}
