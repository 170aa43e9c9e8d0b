"""The console command.

ultracluster check [ENVIRONMENT ...]
ultracluster rehearse ENVIRONMENT [--keep]
ultracluster preflight ENVIRONMENT [--json]
ultracluster cost ENVIRONMENT [--json] [--refresh]
ultracluster audit FILE ... [--format table|json|sarif|junit]
ultracluster plan --parameters N --tokens N [--instance TYPE] [--nodes N | --days N | --budget USD]
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from rich.console import Console
from rich.table import Table

from constructs_lib.spec.problem import EnvironmentFileError, SpecError
from operations.audit import command as audit
from operations.cost import command as cost
from operations.plan import command as plan
from operations.preflight import command as preflight

if TYPE_CHECKING:
    from constructs_lib.spec.environment import EnvironmentSpec

INTERRUPTED: Final = 130
WIDTH: Final = 120


class UsageError(ValueError):
    """A command that cannot be carried out as it was given."""


def find_all(name: str) -> tuple[tuple["EnvironmentSpec", ...], Path | None]:
    """Return an environment by its name, or all those of a Python file by its path.

    Raises:
        UsageError: where there is no such environment.
        SpecError: where one cannot work, with every problem.
        EnvironmentFileError: where the file holds none.
    """
    path = find_path(name)
    if path is not None:
        # Imported here: what needs no environment need not wait for pydantic.
        from constructs_lib.spec.loading import load  # noqa: PLC0415
