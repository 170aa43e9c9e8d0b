"""The environment that a job is given, chosen by the version of aws-ofi-nccl. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from training.launch.variables import Version, tables, version

OLDEST: Final[Version] = (1, 6, 0)
"""Before it a job has to force NCCL_PROTO=simple (aws-ofi-nccl doc/efa-env-var.md), which this
project never does: the start-up check refuses such a plugin instead."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable of the job's environment."""

    name: str
    value: str
    why: str
    """What it is for."""
    source: str
    """Document and date."""
    over_efa: bool = False
    """Whether only jobs over EFA are given it."""
    replaces: bool = False
    """Whether a value of the job's own is replaced, because the job could run over TCP without a
    word otherwise."""
    torch: bool = False
    """Whether PyTorch's own ranks need it, also where another launcher starts them."""
    instances: tuple[str, ...] = ()
    """Beginnings of the instance types that need it, where not all do."""
    before: str = ""
    """First version of the plugin that no longer needs it, where other types do not either."""

    def needed(self, plugin: Version | None, instance: str) -> bool:
        if not self.instances or instance.startswith(tuple(self.instances)):
            return True
        end = version(self.before)
        return plugin is not None and end is not None and plugin < end


GIVEN: Final = tuple(Setting(**row) for row in tables()["given"])


def of_torch() -> dict[str, str]:
    """Return what PyTorch is to be told before ranks meet."""
    return {setting.name: setting.value for setting in GIVEN if setting.torch}


def settings(*, plugin: Version | None, instance: str | None, fabric: bool) -> tuple[Setting, ...]:
    """Return what a job is given; a plugin of unknown version is taken for a new one."""
    possible = (setting for setting in GIVEN if fabric or not setting.over_efa)
    return tuple(setting for setting in possible if setting.needed(plugin, instance or ""))


def chosen(
    environment: Mapping[str, str], *, plugin: Version | None, instance: str | None, fabric: bool
) -> dict[str, str]:
    """Return the environment that the ranks get: the job's own, which wins, and what it lacks.

    Only what keeps the job on EFA wins over a value of its own.
    """
    whole = dict(environment)
    for setting in settings(plugin=plugin, instance=instance, fabric=fabric):
        if setting.replaces:
            whole[setting.name] = setting.value
        else:
            whole.setdefault(setting.name, setting.value)
    return whole
