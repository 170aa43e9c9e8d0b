"""The last stage: another deployment changes nothing, and no resource of the acceptance is left."""

import json
from typing import Final

from ultracluster.accept.journal import clean_up
from ultracluster.accept.scene import Found, Scene, Stage, Step, equal
from ultracluster.drift import UNCHANGED
from ultracluster.prove.deployment import StackTemplate

CHANGE_SET_SECONDS: Final = 300
SCALE_DOWN_SECONDS: Final = 900
"""On top of the time after which Slurm stops an idle node."""
METADATA: Final = "CDKMetadata"
"""Names the version of CDK, which changes nothing."""


def _redeploy(scene: Scene) -> Found:
    """Ask CloudFormation what the same templates would change; no change is made."""
    found = {
        stack.construct_id: _differs(scene, stack) or _changes(scene, stack.name)
        for stack in scene.deployment.stacks
    }
    wrong = [f"{name}: {words}" for name, words in found.items() if words]
    return equal("no changes", "; ".join(wrong) or "no changes")


def _differs(scene: Scene, stack: StackTemplate) -> str:
    """Return which resources the deployed template has otherwise than the environment's."""
    body = scene.ask("cloudformation", "get_template", StackName=stack.name)["TemplateBody"]
    deployed = (json.loads(body) if isinstance(body, str) else body)["Resources"]
    wanted = stack.template["Resources"]
    names = [
        name
        for name in sorted({*wanted, *deployed})
        if wanted.get(name) != deployed.get(name) and name != METADATA
    ]
    return f"another template: {', '.join(names)}" if names else ""


def _changes(scene: Scene, stack: str) -> str:
    """Return what a change set of the deployed template has; parameters are resolved anew."""
    deployed = scene.cloud.ask("cloudformation", "describe_stacks", StackName=stack)["Stacks"][0]
    keys = [each["ParameterKey"] for each in deployed.get("Parameters", ())]
    named = {"StackName": stack, "ChangeSetName": scene.run}
    scene.journal.will_make("change set", stack=stack, name=scene.run)
    scene.ask(
        "cloudformation",
        "create_change_set",
        **named,
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in keys],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    answer = scene.until(
        lambda: scene.ask("cloudformation", "describe_change_set", **named),
        lambda found: found["Status"] in ("CREATE_COMPLETE", "FAILED"),
        CHANGE_SET_SECONDS,
    )
    if answer["Status"] == "FAILED" and any(n in answer.get("StatusReason", "") for n in UNCHANGED):
        return ""
    rows = [each["ResourceChange"] for each in answer.get("Changes", ())]
    changes = [f"{row['Action']} {row['LogicalResourceId']}" for row in rows]
    return ", ".join(changes) or ("" if answer["Status"] == "CREATE_COMPLETE" else str(answer))


def _scaled_down(scene: Scene) -> Found:
    slurm, least, seconds = scene.spec.slurm, 0, SCALE_DOWN_SECONDS
    if slurm:
        least = slurm.always_running(scene.spec.nodes)
        least += sum(group.least_nodes for group in slurm.node_groups)
        seconds += slurm.idle_seconds
    what = "aws ec2 describe-instances, by the environment's tag, without login nodes"
    scene.commands.append(what)
    running = scene.until(lambda: len(scene.nodes()), lambda count: count <= least, seconds)
    return equal(f"{least} nodes run", f"{running} nodes run")


def _nothing_left(scene: Scene) -> Found:
    left = clean_up(scene, scene.commands.append)
    return equal("nothing", ", ".join(entry["kind"] for entry in left) or "nothing")


STAGE: Final = Stage(
    name="end",
    title="What is left",
    starts="nothing: change sets are made and deleted, none is executed",
    usd=lambda _: "nodes that still run, until Slurm stops them",
    steps=(
        Step("what this program made is gone", _nothing_left),
        Step("a deployment of the same changes nothing", _redeploy),
        Step("no node runs without a job", _scaled_down),
    ),
)
