"""What AWS would send of a calm hour and of faults, to the alarms on what AWS itself measures.

Metrics, their dimensions, and the codes of PCS's scaling log: FSx for Lustre guide, "Metrics"; VPC
guide, "NAT gateway metrics"; Step Functions guide, "Metrics"; EC2 guide, "Monitor Capacity
Reservations usage"; AWS PCS user guide, "Scaling logs" (read 2026-11-26). Nothing of AWS was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import aws_cdk as cdk

from constructs_lib.alarms import IdleCapacityAlarm, ServiceAlarms
from tests.constructs.bare import bare_stack, resources
from tests.observe.cloudwatch import CloudWatch, Events, Line, Sample

Made = Mapping[str, Mapping[str, Any]]
TOPIC: Final = f"arn:aws:sns:us-east-1:{1:012d}:alerts"
RUN: Final = {"StateMachineArn": "arn:ours"}
OF: Final = {"FileSystemId": "fs-1", "Nat": "any", "ScalingLog": "log", **RUN}
RESERVATION: Final = "cr-1"
IDLE: Final = "idle-capacity"
"""The alarm on a reservation; it has no row in the table."""
HOUR: Final = 3600
MINUTE: Final = 60
FAULT_AFTER: Final = 600
"""Seconds of health before a fault: on the border of two periods."""
SERVER: Final = {"FileSystemId": "fs-1", "FileServer": "oss1"}
BUSY: Final = "AWS/FSx NetworkThroughputUtilization"
USED: Final = "AWS/EC2CapacityReservations InstanceUtilization"


def nat(name: str, value: float) -> Sample:
    return Sample(f"AWS/NATGateway {name}", value, {"NatGatewayId": "nat-1"})


def line(status: str, reason: str) -> Line:
    return Line("log", {"status_code": status, "reason_code": reason})


def used(percent: float) -> Sample:
    return Sample(USED, percent, {"CapacityReservationId": RESERVATION})


@dataclass(frozen=True)
class Fault:
    """What is sent in each minute (or once), the alarm that fires, and what goes missing."""

    alarm: str
    sent: Sequence[Sample | Line] = ()
    once: bool = False
    without: str = ""
    """A metric that is not sent any more."""


FAULTS: Final[Mapping[str, Fault]] = {
    "one of the file servers is at its limit": Fault(
        "lustre-throttled", [Sample(BUSY, 99, SERVER | {"FileServer": "oss2"})]
    ),
    "the NAT gateway has no port left": Fault("nat-ports", [nat("ErrorPortAllocation", 1)]),
    "the NAT gateway drops packets": Fault("nat-drops", [nat("PacketsDropCount", 40)]),
    "EC2 has no capacity for a node": Fault(
        "node-launch-failed", [line("LAUNCH_FAILED", "INSUFFICIENT_CAPACITY")], once=True
    ),
    "a node's boot fails": Fault(
        "node-given-up", [line("TERMINATED", "BOOTSTRAP_FAILED")], once=True
    ),
    "a node is unhealthy": Fault(
        "node-given-up", [line("TERMINATED", "UNHEALTHY_NODE")], once=True
    ),
    "an unattended run fails": Fault(
        "unattended-failed", [Sample("AWS/States ExecutionsFailed", 1, RUN)], once=True
    ),
    "nodes of the reservation are gone": Fault(IDLE, [used(40)], without=USED),
    "the reservation is gone": Fault(IDLE, without=USED),
}


def calm(at: int) -> Sequence[Sample | Line]:
    """Return what is sent in a minute of a healthy hour, with what is normal or somebody else's.

    A checkpoint fills a file server for ten minutes; another file system is at its limit; packets
    are lost now and then; nodes come and go as Slurm asks; somebody else's run fails.
    """
    filled = 99 if 1200 <= at < 1800 else 40
    sent: list[Sample | Line] = [
        Sample(BUSY, filled, SERVER),
        Sample(BUSY, 100, SERVER | {"FileSystemId": "fs-2"}),
        nat("ErrorPortAllocation", 0),
        nat("PacketsDropCount", 2),
        used(100),
        Sample("AWS/States ExecutionsFailed", 1, {"StateMachineArn": "arn:another"}),
        Sample("AWS/States ExecutionsSucceeded", 1, RUN),
        Line("log", {"status_code": "LAUNCHED", "reason_code": "SCHEDULER_REQUESTED"}),
        Line("log", {"status_code": "TERMINATED", "reason_code": "SCHEDULER_REQUESTED"}),
        Line("another", {"status_code": "LAUNCH_FAILED", "reason_code": "LAUNCH_ERROR"}),
    ]
    return sent


def events(fault: Fault | None = None) -> Events:
    """Return what is sent in an hour, in which a fault begins after `FAULT_AFTER`."""
    hour: dict[int, list[Sample | Line]] = {}
    for at in range(0, HOUR, MINUTE):
        hour[at] = list(calm(at))
        if fault is None or at < FAULT_AFTER:
            continue
        hour[at] = [each for each in hour[at] if getattr(each, "metric", None) != fault.without]
        if at == FAULT_AFTER or not fault.once:
            hour[at] += fault.sent
    return hour


def made(stack: cdk.Stack, **changes: Any) -> tuple[Made, Made]:
    """Return a stack's alarms by their names and its filters by their metrics, as CDK writes them.

    Args:
        stack: gets the alarms of an environment that has everything.
        changes: arguments of `ServiceAlarms`.
    """
    given = {"environment_name": "night", "of": OF, "topics": [TOPIC], **changes}
    ServiceAlarms(stack, "S", **given)
    found = [each["Properties"] for each in resources(stack, "AWS::CloudWatch::Alarm").values()]
    lines = [each["Properties"] for each in resources(stack, "AWS::Logs::MetricFilter").values()]
    return (
        {each.get("AlarmName", f"night-{IDLE}").removeprefix("night-"): each for each in found},
        {each["MetricTransformations"][0]["MetricName"]: each for each in lines},
    )


@cache
def cloudwatch() -> CloudWatch:
    """Return the alarms of an environment that has everything, and of its reservation."""
    stack = bare_stack()
    IdleCapacityAlarm(
        stack, "Idle", capacity_reservation_id=RESERVATION, topics=[], least_used_percent=90
    )
    named, filters = made(stack)
    return CloudWatch(named, [*filters.values()])
