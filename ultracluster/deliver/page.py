"""The page of a prepared delivery, for whoever approves it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ultracluster.aws import Cloud
from ultracluster.deliver.plan import Plan
from ultracluster.prove.command import ReadOnly
from ultracluster.prove.deployment import Deployment, stack_templates
from ultracluster.prove.proof import Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.review.baseline import baseline, deployed
from ultracluster.review.changes.change import Danger
from ultracluster.review.page import pages
from ultracluster.review.report import review
from ultracluster.review.subject import of_files
from ultracluster.review.three_ways import ThreeWays
from ultracluster.spec.environment import EnvironmentSpec


def page_of(spec: EnvironmentSpec, stage: Path, cloud: Cloud, plan: Plan) -> dict[str, str]:
    """Return the review of what was prepared from a stage, three ways, by the ending of its file.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    title = f"{spec.name}, plan {plan.mark}"
    subject = replace(of_files([str(stage)], spec=spec), title=title, environment=spec.name)
    before = baseline("deployed", subject, deployed(subject, spec.region))
    made = review(subject, before, parameters={}, region=spec.region, drifted=plan.drifted)
    proofs = () if plan.problems else tuple(_proofs(spec, stage, cloud))
    rows = sorted((*made.ways, *proofs), key=lambda row: row.danger.rank)
    made, now = replace(made, ways=rows), pages.provenance(stage)
    return {".html": pages.html(made, now), ".md": pages.markdown(made, now)}


def _proofs(spec: EnvironmentSpec, stage: Path, cloud: Cloud) -> Iterator[ThreeWays]:
    """Yield what our own proofs find of what is there, against what is approved."""
    deployment = Deployment(cloud, stack_templates(stage.parent, spec.name))
    found = prove(PROOFS, Evidence(spec, deployment, ReadOnly(cloud)))
    for area, checks in found.items():
        for check in checks:
            if not check.ok:
                what = f"proof: {check}; it may be what this delivery changes"
                values = (check.wanted, "not compared by this proof", check.found)
                yield ThreeWays(Danger.CANNOT_TELL, area, "", *values, what)
