"""How honest a rehearsal was: for each resource type, what stood behind it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Final

REPORT_PATH: Final = "/_emulator/report"
"""Where a running emulator answers with its report."""


class Realisation(StrEnum):
    """What stands behind a resource that CloudFormation says it has created."""

    SERVICE = "service"
    """The emulator's own service API."""
    MODELLED = "modelled"
    """A provisioner of this project with the service's rules and describe calls."""
    SCHEMA_ONLY = "schema-only"
    """Checked against AWS's registry schema and stored; the service's API does not show it."""


@dataclass(frozen=True)
class Report:
    """What was created, and what the emulation could not do."""

    realisations: Mapping[str, Realisation] = field(default_factory=dict)
    """By CloudFormation type, for each type of which something was created."""
    problems: tuple[str, ...] = ()
    """API calls that failed inside the emulator or that it does not have."""

    @property
    def schema_only(self) -> tuple[str, ...]:
        """The types of which nothing but the schema was checked."""
        return tuple(
            sorted(
                name
                for name, realisation in self.realisations.items()
                if realisation is Realisation.SCHEMA_ONLY
            )
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        data = json.loads(text)
        return cls(
            realisations={
                name: Realisation(value) for name, value in sorted(data["realisations"].items())
            },
            problems=tuple(data["problems"]),
        )


class Journal:
    """The server's running record, from which reports are made."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._realisations: dict[str, Realisation] = {}
        self._problems: dict[str, None] = {}

    def created(self, type_name: str, realisation: Realisation) -> None:
        """Note that a resource of a type was created, and what stands behind it."""
        with self._lock:
            self._realisations[type_name] = realisation

    def problem(self, text: str) -> None:
        """Note something that the emulation could not do; once, however often it happens."""
        with self._lock:
            self._problems[text] = None

    def report(self) -> Report:
        with self._lock:
            return Report(dict(sorted(self._realisations.items())), tuple(self._problems))
