"""Ways in which an account can lack something."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from tests.preflight.account import Answering, always, error, reservation, simulated
from tests.preflight.specs import NOW

Change = Callable[[Answering], object]


def raised(operation: str, code: str) -> Change:
    """Return a change after which an EC2 call is refused."""
    return lambda cloud: cloud.change("ec2", operation, error(code))


def altered(service: str, operation: str, **members: object) -> Change:
    """Return a change of the first row of an answer."""
    return lambda cloud: cloud.alter(service, operation, **members)


def answered(service: str, operation: str, **members: object) -> Change:
    """Return a change of a whole answer."""
    return lambda cloud: cloud.change(service, operation, always(**members))


def simulating(**decisions: Any) -> Change:
    """Return a change of what the simulator decides."""
    return lambda cloud: cloud.change(
        "iam", "simulate_principal_policy", partial(simulated, **decisions)
    )


def no_parameter(part: str) -> Change:
    """Return a change that takes a parameter away."""

    def change(cloud: Answering) -> None:
        before = cloud.answers["ssm", "get_parameter"]
        gone = error("ParameterNotFound")
        cloud.change("ssm", "get_parameter", lambda g: (gone if part in g["Name"] else before)(g))

    return change


def block(**changes: object) -> dict[str, object]:
    """Return the reservation as a Capacity Block of a day."""
    return reservation(
        ReservationType="capacity-block",
        StartDate=NOW - timedelta(hours=12),
        EndDate=NOW + timedelta(hours=12),
        **changes,
    )
