"""Node faults to plant on a virtual machine, and the drain reason that Slurm must show."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

USER: Final = "ssm-user"
"""Who a session of Systems Manager is."""


def table(name: str) -> dict[str, dict[str, Any]]:
    """Return a table of this package, which stands in TOML beside it."""
    folder = files("ultracluster.rehearse.machine")
    return tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Fault:
    """One way in which a node is unfit."""

    name: str
    plant: str
    """Command that makes a sound node unfit."""
    mend: str
    """Command that makes it sound again."""
    reason: str
    """What the reason of the drained node has in it; empty where the node must stay fit."""
    user: str = "root"
    """Who submits the job."""
    needs: str = ""
    """What the node's user data must say for it to be a fault."""


FAULTS: Final = tuple(Fault(name, **texts) for name, texts in table("faults").items())
NAMES: Final = tuple(fault.name for fault in FAULTS)
