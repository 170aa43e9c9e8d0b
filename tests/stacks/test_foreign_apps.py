"""The stage in somebody else's app: flags, tags, aspects, boundaries, accounts, pipelines."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import pipelines
from constructs import IConstruct
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from constructs_lib import TrainingEnvironment
from golden.generate import GOLDEN
from tests.drawn import some
from tests.repository import ENVIRONMENTS
from tests.stacks.synthesized import VARIANTS
from ultracluster.registry.schemas import replaced_by

ACCOUNT = "111122223333"
HERE = cdk.Environment(account=ACCOUNT, region="us-east-1")
FLAGS = json.loads((GOLDEN.parent / "cdk.json").read_text())["context"]
OTHERWISE = {
    **{name: not value for name, value in FLAGS.items() if isinstance(value, bool)},
    "@aws-cdk/core:automaticL1Traits": False,
    "@aws-cdk/core:defaultCrossStackReferences": "weak",
    "@aws-cdk/core:stackRelativeExports": False,
}


def foreign(context: Mapping[str, Any] | None = None) -> cdk.App:
    """Return an app of somebody who has only installed the wheel."""
    return cdk.App(context=dict(context or {}), analytics_reporting=False)


def templates(app: cdk.App) -> dict[str, dict[str, Any]]:
    """Return all templates of an app by the names of their stacks, without CDK's own metadata."""
    found = {}
    folder = Path(app.synth().directory)
    for manifest in folder.rglob("manifest.json"):
        for artifact in json.loads(manifest.read_text())["artifacts"].values():
            if artifact["type"] == "aws:cloudformation:stack":
                properties = artifact["properties"]
                template = json.loads((manifest.parent / properties["templateFile"]).read_text())
                name = properties.get("stackName") or artifact["displayName"]
                found[name] = without_paths(template)
    return found


def without_paths(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template without what the CLI's flags add: paths and assets of constructs."""
    for resource in template.get("Resources", {}).values():
        kept = {
            key: value
            for key, value in resource.pop("Metadata", {}).items()
            if not key.startswith("aws:")
        }
        if kept:
            resource["Metadata"] = kept
    return template


def resources(found: Mapping[str, dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    """Yield the properties of every resource of a type."""
    for template in found.values():
        for resource in template["Resources"].values():
            if resource["Type"] == kind:
                yield resource.get("Properties", {})


@pytest.fixture(scope="session")
def plain() -> dict[str, dict[str, Any]]:
    app = foreign()
    for kind in ("kept", "reserved"):
        TrainingEnvironment(app, spec=VARIANTS[kind])
    return templates(app)


@pytest.mark.parametrize(
    "context", [{}, FLAGS, OTHERWISE], ids=["no flags", "those of cdk.json", "the other ones"]
)
def test_templates_are_the_golden_ones_under_any_feature_flags(context: Mapping[str, Any]):
    """Somebody else's cdk.json is not ours."""
    app = foreign(context)
    for spec in ENVIRONMENTS:
        TrainingEnvironment(app, spec=spec)

    golden = {
        f"{path.parent.name}-{path.name.split('.')[0]}": without_paths(json.loads(path.read_text()))
        for path in GOLDEN.glob("*/*.template.json")
    }
    assert templates(app) == golden


def test_an_account_takes_no_look_up():
    """CDK would ask for the names of its zones, and synthesis then needs credentials."""
    app = foreign()
    TrainingEnvironment(app, spec=VARIANTS["small"], env=HERE)

    manifests = list(Path(app.synth().directory).rglob("manifest.json"))
    assert len(manifests) == 2
    assert all("missing" not in json.loads(manifest.read_text()) for manifest in manifests)


def test_the_names_of_the_stacks_begin_with_the_stage_s_id():
    """An app names its stages as it likes; parameters and tags keep the environment's name."""
    app = foreign()
    TrainingEnvironment(app, "Blue", spec=VARIANTS["small"])

    assert set(templates(app)) == {
        f"Blue-{stack}" for stack in ("Network", "Storage", "Training", "Cluster")
    }


def test_a_stage_in_a_pipeline_has_the_same_resources():
    """An environment can move into a pipeline without anything being replaced."""
    alone = foreign()
    TrainingEnvironment(alone, spec=VARIANTS["reserved"], env=HERE)
    app = foreign()
    stack = cdk.Stack(app, "Pipeline", env=HERE)
    source = pipelines.CodePipelineSource.git_hub("somebody/theirs", "main")
    synth = pipelines.ShellStep("Synth", input=source, commands=["cdk synth"])
    pipeline = pipelines.CodePipeline(stack, "Pipeline", synth=synth)
    pipeline.add_stage(TrainingEnvironment(stack, spec=VARIANTS["reserved"], env=HERE))

    found = templates(app)
    for name, template in templates(alone).items():
        before, after = template["Resources"], found[name]["Resources"]
        assert before.keys() == after.keys()
        for logical_id, resource in after.items():
            old, new = (r[logical_id].get("Properties", {}) for r in (before, after))
            assert replaced_by(resource["Type"], old, new, "us-east-1") == []


TAGS = st.dictionaries(
    st.from_regex(r"\A[A-Za-z][A-Za-z0-9 _.:/=+@-]{0,40}\Z").filter(
        lambda key: not key.lower().startswith("aws:")
    ),
    st.text("abcXYZ019 -_", min_size=1, max_size=20),
    min_size=4,
    max_size=8,
)
LEVELS = {
    "app": lambda app, _: app,
    "stage": lambda _, stage: stage,
    "stack": lambda _, stage: stage.cluster,
    "construct": lambda _, stage: stage.cluster.placement,
    "resource": lambda _, stage: stage.cluster.placement.node.find_child("Group"),
}


@settings(some(2), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags=TAGS)
@example(tags={"Name": "mine", "ultracluster:environment": "mine"})
@pytest.mark.parametrize("level", LEVELS)
def test_no_tag_replaces_anything(
    plain: dict[str, dict[str, Any]], level: str, tags: dict[str, str]
):
    """A tag for the bill replaced the placement group, and with it the reservation of 512 nodes."""
    app = foreign()
    stage = TrainingEnvironment(app, spec=VARIANTS["reserved"])
    for key, value in tags.items():
        cdk.Tags.of(LEVELS[level](app, stage)).add(key, value, priority=900)

    for name, template in templates(app).items():
        for logical_id, resource in template["Resources"].items():
            old = plain[name]["Resources"][logical_id].get("Properties", {})
            new = resource.get("Properties", {})
            assert replaced_by(resource["Type"], old, new, "us-east-1") == []


def test_a_tag_reaches_what_can_be_tagged_later():
    """Whoever pays finds file system and reservation by it."""
    app = foreign()
    stage = TrainingEnvironment(app, spec=VARIANTS["reserved"])
    cdk.Tags.of(stage).add("cost-center", "42")

    found = templates(app)
    (file_system,) = resources(found, "AWS::FSx::FileSystem")
    assert {"Key": "cost-center", "Value": "42"} in file_system["Tags"]


def test_every_role_has_the_boundary_of_the_stage():
    """Accounts of companies refuse a role without it."""
    app = foreign()
    boundary = cdk.PermissionsBoundary.from_name("Developers")
    TrainingEnvironment(app, spec=VARIANTS["slurm"], permissions_boundary=boundary)

    roles = list(resources(templates(app), "AWS::IAM::Role"))
    assert len(roles) >= 6
    assert all("Developers" in json.dumps(role["PermissionsBoundary"]) for role in roles)


def test_every_role_has_the_boundary_of_an_aspect():
    """The older way to say it. CDK carries no aspect of an app into its stages."""
    app = foreign()
    stage = TrainingEnvironment(app, spec=VARIANTS["kept"])
    policy = iam.ManagedPolicy.from_aws_managed_policy_name("PowerUserAccess")
    iam.PermissionsBoundary.of(stage).apply(policy)

    roles = list(resources(templates(app), "AWS::IAM::Role"))
    assert all("PowerUserAccess" in json.dumps(role["PermissionsBoundary"]) for role in roles)


@jsii.implements(cdk.IAspect)
class Throwaway:
    """An aspect as a sandbox account has it: everything goes with its stack, and is tagged."""

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, cdk.CfnResource):
            node.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        if cdk.TagManager.is_taggable(node):
            cdk.Tags.of(node).add("sandbox", "yes")


def test_aspects_of_a_stage_reach_every_resource(plain: dict[str, dict[str, Any]]):
    """What this library decides can be overruled by whoever owns the account."""
    app = foreign()
    cdk.Aspects.of(TrainingEnvironment(app, spec=VARIANTS["kept"])).add(Throwaway())

    for name, template in templates(app).items():
        for logical_id, resource in template["Resources"].items():
            assert resource["DeletionPolicy"] == "Delete"
            old = plain[name]["Resources"][logical_id].get("Properties", {})
            new = resource.get("Properties", {})
            assert replaced_by(resource["Type"], old, new, "us-east-1") == []
