"""How honest a rehearsal was: what nothing but a schema stood behind, and what failed."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from ultracluster.emulator.faults import Faults

REPORT_PATH: Final = "/_emulator/report"
"""Where a running emulator answers with its report."""


@dataclass(frozen=True)
class Report:
    """What the emulation could not do."""

    schema_only: tuple[str, ...] = ()
    """Types of which something was created that was checked against AWS's registry schema and
    stored; no service's API shows it."""
    problems: tuple[str, ...] = ()
    """API calls that failed inside the emulator or that it does not have."""
    unfired: tuple[str, ...] = ()
    """Faults that were asked for and have not happened."""

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        return cls(**{name: tuple(values) for name, values in json.loads(text).items()})


class Journal:
    """The server's running record, from which reports are made; each thing is noted once."""

    def __init__(self, faults: Faults) -> None:
        self.schema_only: dict[str, None] = {}
        self.problems: dict[str, None] = {}
        self._faults = faults

    def to_json(self) -> str:
        kinds, problems = tuple(sorted(self.schema_only)), tuple(self.problems)
        return json.dumps(asdict(Report(kinds, problems, tuple(self._faults.unfired()))))
