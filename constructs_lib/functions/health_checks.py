"""Sets the health checks of a PCS node group, which CloudFormation has no property for.

Runs in Lambda, with the SDK that is there: one that does not know `instanceHealthChecks` yet gets
it into the body before it signs it.
"""

import json
import time
import urllib.request
from typing import Any

import boto3
from botocore.exceptions import ClientError

OFF = {"healthMonitoring": {"mode": "NONE"}, "deepHealthChecks": {"onStart": {"profile": "NONE"}}}
ENDING = ("DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
BUSY = ("CREATING", "UPDATING")
EVERY = 10
LEFT = 60
"""Seconds that are kept to answer in."""
WHILE = 300


def handler(event: dict[str, Any], context: Any) -> None:
    """Answer CloudFormation whatever happens: it would wait for an hour."""
    said = {"Status": "SUCCESS", "PhysicalResourceId": event["ResourceProperties"]["Group"]}
    try:
        act(event, context)
    except Exception as error:
        print(repr(error))
        said |= {"Status": "FAILED", "Reason": str(error)[:1000]}
    said |= {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body, headers = json.dumps(said).encode(), {"Content-Type": ""}
    request = urllib.request.Request(event["ResponseURL"], body, headers, method="PUT")
    urllib.request.urlopen(request, timeout=30)


def act(event: dict[str, Any], context: Any) -> None:
    """Turn the checks on as the properties say, or off where they are deleted."""
    given = event["ResourceProperties"]
    group = {"clusterIdentifier": given["Cluster"], "computeNodeGroupIdentifier": given["Group"]}
    deletes = event["RequestType"] == "Delete"
    if deletes and stack_ends(event["StackId"]):
        return
    pcs = boto3.client("pcs")
    add(pcs, OFF if deletes else given["InstanceHealthChecks"])
    try:
        if settled(pcs, group, left(context)) in BUSY:
            raise TimeoutError("the node group is being changed; deploy again when that has ended")
        pcs.update_compute_node_group(**group)
        # Instances with jobs are replaced after them, for which nobody waits here.
        status = settled(pcs, group, min(WHILE, left(context)))
    except ClientError as error:
        if not deletes or error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return
    if status not in ("ACTIVE", *BUSY):
        raise RuntimeError(f"the node group is {status} after its health checks were set")


def left(context: Any) -> float:
    """Return the seconds to wait in, before Lambda ends the call without an answer."""
    return float(context.get_remaining_time_in_millis() / 1000 - LEFT)


def stack_ends(stack: str) -> bool:
    """Whether the group goes with its stack; the change would launch all of its nodes anew."""
    found = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return found["StackStatus"] in ENDING


def add(client: Any, checks: dict[str, Any]) -> None:
    """Write the checks into the body of every update."""

    def write(params: dict[str, Any], **_: Any) -> None:
        body = json.loads(params["body"]) | {"instanceHealthChecks": checks}
        params["body"] = json.dumps(body).encode()

    client.meta.events.register("before-call.pcs.UpdateComputeNodeGroup", write)


def settled(client: Any, group: dict[str, str], seconds: float) -> str:
    """Return the status of the group, once it is not being changed or the time is over."""
    end = time.monotonic() + seconds
    while True:
        found = client.get_compute_node_group(**group)["computeNodeGroup"]
        status = str(found["status"])
        if status not in BUSY or time.monotonic() > end:
            return status
        time.sleep(EVERY)
