"""The time during which a rehearsed stack had a paid reservation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ultracluster.aws import Cloud
from ultracluster.prove.deployment import described

RESERVATION: Final = "AWS::EC2::CapacityReservation"
STACK: Final = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class PaidCapacity:
    """A reservation that a stack made; its instances are charged while it is there."""

    reservation_id: str
    instances: int
    seconds: float
    """From its creation to its release, or to now."""
    active: bool
    """Whether it is still there."""
    later: tuple[str, ...]
    """Logical ids of what was begun while it was charged: each could fail at its cost."""

    @property
    def node_minutes(self) -> float:
        return self.instances * self.seconds / 60

    def __str__(self) -> str:
        state = "and still charged" if self.active else "then given up"
        return (
            f"{self.reservation_id}: {self.instances:,} instances for {self.seconds:.1f} s, "
            f"{self.node_minutes:,.1f} billed node-minutes, {state}; "
            f"{len(self.later)} resources were begun after it"
        )


def paid_capacity(cloud: Cloud, stack: str) -> Iterator[PaidCapacity]:
    """Yield each reservation that a stack made, by the events of CloudFormation.

    Args:
        cloud: the account.
        stack: name or id of the stack.
    """
    answer = cloud.ask("cloudformation", "describe_stack_events", StackName=stack)
    events = answer["StackEvents"][::-1]  # AWS answers the newest first
    for index, made in enumerate(events):
        if (made["ResourceType"], made["ResourceStatus"]) != (RESERVATION, "CREATE_COMPLETE"):
            continue
        reservation, after = made["PhysicalResourceId"], events[index + 1 :]
        (row,) = described(cloud, RESERVATION, reservation)
        gone = [
            event["Timestamp"]
            for event in after
            if event["PhysicalResourceId"] == reservation
            and event["ResourceStatus"] == "DELETE_COMPLETE"
        ]
        active = row["State"] == "active"
        # Without an event it was released by somebody else: then it is counted until now.
        end = gone[0] if gone and not active else datetime.now(UTC)
        begun = [
            event["LogicalResourceId"]
            for event in after
            if event["ResourceStatus"] == "CREATE_IN_PROGRESS" and event["ResourceType"] != STACK
        ]
        yield PaidCapacity(
            reservation_id=reservation,
            instances=row["TotalInstanceCount"],
            seconds=(end - made["Timestamp"]).total_seconds(),
            active=active,
            later=tuple(dict.fromkeys(begun)),
        )
