"""Stacks deployed by CloudFormation's API, as the CDK CLI would: where the CLI is not the point."""

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.prove.deployment import StackTemplate
from ultracluster.synthesis import qualifier
from ultracluster.waiting import until

MOST_BYTES_OF_A_BODY: Final = 51_200
"""CloudFormation API, TemplateBody (botocore 1.44.8)."""
CAPABILITIES: Final = ("CAPABILITY_NAMED_IAM",)
MOST_SECONDS: Final = 60.0
SOON: Final = 0.05


def publish(cloud: Cloud, region: str, assembly: Path) -> None:
    """Make what `cdk bootstrap` makes and a deployment needs, and upload the assets of a stage.

    Args:
        cloud: the emulated account.
        region: its Region.
        assembly: the directory of the stage.
    """
    name = f"/cdk-bootstrap/{qualifier()}/version"
    cloud.ask("ssm", "put_parameter", Name=name, Value="30", Type="String")
    bucket = _bucket(cloud, region)
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    home = region == "us-east-1"
    cloud.ask("s3", "create_bucket", Bucket=bucket, **({} if home else elsewhere))
    manifests = [json.loads(path.read_text("utf-8")) for path in assembly.glob("*.assets.json")]
    for asset in (each for manifest in manifests for each in manifest["files"].values()):
        if asset["source"]["packaging"] == "zip":
            body = zipped((assembly / asset["source"]["path"]).resolve())
            for place in asset["destinations"].values():
                cloud.ask("s3", "put_object", Bucket=bucket, Key=place["objectKey"], Body=body)


def zipped(directory: Path) -> bytes:
    """Return a directory as the CLI would upload it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(directory.rglob("*")):
            archive.write(path, path.relative_to(directory))
    return content.getvalue()


def create(cloud: Cloud, stack: StackTemplate, region: str, **more: Any) -> str:
    """Create a stack, protected as the CLI protects it; return its id."""
    answer = cloud.ask(
        "cloudformation",
        "create_stack",
        StackName=stack.name,
        **template_of(cloud, stack.name, stack.template, region),
        Capabilities=list(CAPABILITIES),
        EnableTerminationProtection=stack.termination_protection,
        **more,
    )
    return str(answer["StackId"])


def update(cloud: Cloud, name: str, template: Any, region: str) -> str:
    """Update a stack, and return the status that it comes to rest in."""
    asked = {"StackName": name, "Capabilities": list(CAPABILITIES)}
    asked |= template_of(cloud, name, template, region)
    cloud.ask("cloudformation", "update_stack", **asked)
    return settled(cloud, name)


def delete(cloud: Cloud, name: str) -> str:
    """Delete a stack, and return the status that it comes to rest in."""
    # What is deleted is known by its id alone.
    row = cloud.ask("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]
    stack_id = str(row["StackId"])
    cloud.ask("cloudformation", "delete_stack", StackName=stack_id)
    return settled(cloud, stack_id)


def refuses_deletion(cloud: Cloud, name: str) -> bool:
    """Whether its protection keeps a stack from being deleted; without it the deletion begins.

    Raises:
        CloudError: where it is refused for another reason, which says nothing of protection.
    """
    try:
        cloud.ask("cloudformation", "delete_stack", StackName=name)
    except CloudError as error:
        if "TerminationProtection" not in error.message:
            raise
        return True
    return False


def template_of(cloud: Cloud, name: str, template: Any, region: str) -> dict[str, str]:
    """Return a template as a request holds it: one of more than 51,200 bytes lies in S3."""
    body = json.dumps(template)
    if len(body) <= MOST_BYTES_OF_A_BODY:
        return {"TemplateBody": body}
    bucket, key = _bucket(cloud, region), f"{name}.template.json"
    cloud.ask("s3", "put_object", Bucket=bucket, Key=key, Body=body.encode())
    return {"TemplateURL": f"https://s3.{region}.amazonaws.com/{bucket}/{key}"}


def _bucket(cloud: Cloud, region: str) -> str:
    account = cloud.ask("sts", "get_caller_identity")["Account"]
    return f"cdk-{qualifier()}-assets-{account}-{region}"


def settled(cloud: Cloud, name: str) -> str:
    """Wait until a stack rests, and return its status; after a minute, the one that it has."""

    def look() -> str:
        answer = cloud.ask("cloudformation", "describe_stacks", StackName=name)
        return str(answer["Stacks"][0]["StackStatus"])

    time.sleep(SOON)  # what was asked for has begun
    return until(look, lambda status: not status.endswith("IN_PROGRESS"), MOST_SECONDS, SOON)


def reasons(cloud: Cloud, name: str) -> list[str]:
    """Return why resources of a stack failed, newest first."""
    events = cloud.ask("cloudformation", "describe_stack_events", StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
    ]
