"""Single faults: one wrong value in an environment that is otherwise sound."""

from dataclasses import dataclass
from typing import Any

from ultracluster.spec.environment import EnvironmentSpec


@dataclass(frozen=True)
class Fault:
    """What is written wrongly, what a user is told of it, and what puts it right."""

    name: str
    base: EnvironmentSpec
    changes: dict[str, Any]
    """The values that are put into the sound environment."""

    field: str
    """The field that the one problem names, as a path below the environment."""

    got: object
    """The value that it shows."""

    says: str
    """Words of the message that tell the user what to write."""

    cure: dict[str, Any]
    """What a user writes who follows these words."""


def fault(  # noqa: PLR0917  (a table of faults reads better without names)
    name: str,
    base: EnvironmentSpec,
    field: str,
    got: object,
    says: str,
    cure: object,
    *,
    also: dict[str, Any] | None = None,
) -> Fault:
    """Return the fault of a single field, which is also the field that is cured."""
    return Fault(name, base, {field: got, **(also or {})}, field, got, says, {field: cure})
