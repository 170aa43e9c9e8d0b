"""The stage without nodes: deployed resources, image, and notifications of cost."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from ultracluster.accept.scene import Found, Scene, Stage, Step, equal
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG, offered
from ultracluster.drift import drift
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import preflight
from ultracluster.prove.command import exit_status
from ultracluster.prove.proof import failures, prove
from ultracluster.prove.proofs import PROOFS

MESSAGE: Final = (
    "A test of `ultracluster accept`: whoever reads this is told of this environment's money."
)
DELIVERY_SECONDS: Final = 60
IMAGE_CHECKS: Final = ("image-exists", "image-architecture", "image-root-device", "login-image")


def _proofs(scene: Scene) -> Found:
    results = prove(PROOFS, scene.evidence)
    scene.commands.append(f"ultracluster prove {scene.spec.name}")
    status, count = exit_status(results), sum(map(len, results.values()))
    wrong = "; ".join(failures(results))
    ok = {ALL_WELL: True, COULD_NOT_RUN: None}.get(status, False)
    return Found(f"{count} checks true", wrong or f"{count} checks true", ok)


def _drift(scene: Scene) -> Found:
    names = [stack.name for stack in scene.deployment.stacks]
    scene.commands += [f"aws cloudformation detect-stack-drift --stack-name {n}" for n in names]
    found = [str(each) for name in names for each in drift(scene.cloud, name)]
    return equal("nothing", "; ".join(found) or "nothing")


def _image(scene: Scene) -> Found:
    checks = preflight(scene.spec, scene.cloud, datetime.now(UTC), only=IMAGE_CHECKS)
    scene.commands.append(
        f"ultracluster preflight {scene.spec.name} "
        + " ".join(f"--only {name}" for name in IMAGE_CHECKS)
    )
    rows = [finding for result in checks.results for finding in result.findings]
    # A check that was left out for want of an image is no pass.
    bad = [row for row in rows if row.verdict is Verdict.FAIL or row.fix]
    words = "; ".join(f"{row.subject}: {row.found}" for row in bad or rows)
    return Found("an image that the type boots, with its root device and size", words, not bad)


def _message(scene: Scene) -> Found:
    """Subscribe a queue to the topic, send a message, and see it arrive."""
    wanted = "the message arrives at a subscriber"
    topics = scene.deployment.of_type("AWS::SNS::Topic")
    if not topics:
        return Found("nobody but those of `notify`", f"{scene.spec.budget.notify}", ok=True)
    topic = str(topics[0].physical_id)
    url, arn = _test_queue(scene, topic)
    scene.journal.will_make("subscription", topic=topic, name=scene.run)
    scene.ask("sns", "subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn)
    scene.ask("sns", "publish", TopicArn=topic, Subject="ultracluster accept", Message=MESSAGE)

    def look() -> list[Any]:
        answer = scene.ask("sqs", "receive_message", QueueUrl=url, WaitTimeSeconds=1)
        messages: list[Any] = answer.get("Messages", [])
        return messages

    arrived = scene.until(look, bool, DELIVERY_SECONDS)
    if not arrived:
        return Found(wanted, f"nothing within {DELIVERY_SECONDS} s", ok=False)
    rows = scene.ask("sns", "list_subscriptions_by_topic", TopicArn=topic)["Subscriptions"]
    others = [row["Endpoint"] for row in rows if row["Endpoint"] != arn]
    people = ", ".join(others) or "NOBODY ELSE is subscribed: nobody is told"
    return Found(f"{wanted}, and somebody is subscribed", f"arrived; {people}", ok=bool(others))


def _test_queue(scene: Scene, topic: str) -> tuple[str, str]:
    """Make a queue that takes messages of the topic alone; return its URL and ARN."""
    scene.journal.will_make("queue", name=scene.run)
    partition, region, account = topic.split(":")[1], scene.spec.region, scene.caller.account
    arn = f"arn:{partition}:sqs:{region}:{account}:{scene.run}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = scene.ask("sqs", "create_queue", QueueName=scene.run, Attributes={"Policy": policy})
    return made["QueueUrl"], arn


def _budget(scene: Scene) -> Found:
    wanted = f"user:{ENVIRONMENT_TAG}${scene.spec.name}"
    if not offered(scene.spec.region):
        return Found("no budget in this Region", "none is made", ok=True)
    name = scene.deployment.id_at("Network", "Budget/Resource")
    about = {"AccountId": scene.caller.account, "BudgetName": name}
    found = scene.ask("budgets", "describe_budget", **about)["Budget"]
    return equal(f"{{'TagKeyValue': ['{wanted}']}}", str(found.get("CostFilters")))


def _tag(scene: Scene) -> Found:
    rows = scene.ask("ce", "list_cost_allocation_tags", TagKeys=[ENVIRONMENT_TAG])
    status = [row["Status"] for row in rows["CostAllocationTags"]]
    return equal("Active", status[0] if status else "AWS does not know the tag yet")


STAGE: Final = Stage(
    name="network",
    title="What was deployed, its image, and who is told",
    starts="nothing but a queue that takes one message of the environment's topic",
    usd=lambda _: "less than 0.01 USD",
    steps=(
        Step("what was asked for is deployed", _proofs),
        Step("nothing has drifted", _drift),
        Step("image of the nodes", _image, settles=("root-device-name",)),
        Step("a message to the topic", _message),
        Step("filter of the budget", _budget),
        Step("cost allocation tag", _tag),
    ),
)
