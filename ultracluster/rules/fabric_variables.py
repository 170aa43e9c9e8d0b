"""FABRIC rules about variables of a job's environment, all by one table.

The table is `ultracluster.catalogue.job_environment`, with which the training image chooses its
own environment. Where the plugin's version is stated the verdict is that version's; where it is
not, the plugin is taken for one of today, and what only older ones have is left open.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from ultracluster.catalogue import job_environment
from ultracluster.model.job_environments import JobEnvironment, Variable
from ultracluster.model.model import Model
from ultracluster.rules.rule import About, Fault, Judge
from ultracluster.templates.resolved_values import UndeterminedError, text

CHEATSHEET: Final = "aws-ofi-nccl doc/efa-env-var.md, 2026-08-21"
INSTALLED: Final = "cat /opt/amazon/efa_installed_packages (on a node)"
NOT_STATED: Final = "nothing states the version of aws-ofi-nccl"


def _of(*standings: str) -> About[Variable]:
    """Return who makes rules about the variables that some row of some standings is about."""
    rows = [row for row in job_environment.table() if row.standing in standings]

    @cache
    def named(name: str) -> bool:
        return any(row.names(name) for row in rows)

    def subjects(model: Model) -> Sequence[Variable]:
        return [
            Variable(environment, name, value, line)
            for environment in model.environments
            for name, value, line in environment.variables
            if named(name) and not environment.without_efa
        ]

    return About(subjects, source=CHEATSHEET, check=INSTALLED)


def _without(variable: Variable) -> bool:
    """Whether it is known that the instance types have nothing that a variable could spoil."""
    return job_environment.nothing_to_spoil(variable.name, variable.environment.instance_names)


def _faults(variable: Variable, standing: str) -> Iterator[Fault]:
    """Yield what rows of one standing say of a variable."""
    plugin = variable.environment.plugin
    unknown: UndeterminedError | None = None
    try:
        value = text(variable.value) or ""
    except UndeterminedError as error:
        value, unknown = "", error
    if unknown is None and not value and standing != "verbs":
        # An empty value is none; libibverbs alone asks only whether the variable is there.
        return
    left_open: UndeterminedError | None = None
    for row in job_environment.table():
        if row.standing != standing or not row.names(variable.name):
            continue
        held = row.holds(plugin)
        if held is False:
            continue
        if unknown is not None and row.value:
            left_open = unknown
        elif unknown is not None or row.means(value):
            if held is None:
                left_open = UndeterminedError(NOT_STATED)
            else:
                shown = variable.name if unknown else f"{variable.name}={value}"
                yield Fault(f"{shown}: {row.why}", fix=row.fix)
    if left_open is not None:
        raise left_open


EXCUSED: Final[Mapping[str, Callable[[Variable], bool]]] = {
    "off-fabric": _without,
    # Neuron's own plugin reads them, which needs what NCCL's does not.
    "obsolete": lambda each: each.environment.of_neuron and each.name.startswith("FI_"),
    "overriding": _without,
    "slowing": _without,
}
"""Of which variables what a standing says is not so."""


def _standing(standing: str) -> Judge[Variable]:
    """Return a judge that yields what rows of one standing say of a variable."""

    def judge(_model: Model, variable: Variable) -> Iterator[Fault]:
        if standing not in EXCUSED or not EXCUSED[standing](variable):
            yield from _faults(variable, standing)

    return judge


job_on_the_fabric = _of("off-fabric", "unfit").error(
    "FABRIC-22",
    what="An environment variable keeps the job from using EFA.",
    why="The job silently runs over TCP, at a fraction of the bandwidth that is paid for, or ends "
    "where this version of the plugin has no network or library of that name.",
    source=f"NVIDIA/nccl#959; sagemaker-training-toolkit#240; {CHEATSHEET}; aws-ofi-nccl 7c014f0d "
    "(v1.13.0) and pull request 918 (v1.15.0, 2025-06-03)",
    fix="remove the variable; the plugin finds EFA by itself",
    check="NCCL_DEBUG=INFO: look for 'NET/OFI Selected provider is efa'",
)(_standing("off-fabric"), _standing("unfit"))


no_idle_variable = _of("obsolete", "nameless").info(
    "FABRIC-24",
    what="An environment variable is obsolete for the plugin's version, or no program reads it.",
    why="It does nothing, or pins what newer versions choose better.",
    source=f"{CHEATSHEET}; NVIDIA/nccl src/graph/connect.cc, 2026-06-11; aws-ofi-nccl "
    "include/nccl_ofi_param.h, 2026-08-19",
    fix="remove it",
)(_standing("obsolete"), _standing("nameless"))


protocol_without_order = _of("corrupting").error(
    "FABRIC-26",
    what="NCCL is set to a protocol that needs data in order.",
    why="LL and LL128 read data as soon as a flag beside it has come, and over a card that does "
    "not keep order the data may not have: results are wrong without a word.",
    source=f"NCCL user guide, NCCL_PROTO, 2026-06-11; aws-ofi-nccl src/platform-aws.cpp, "
    f"2026-08-19; {CHEATSHEET}",
    fix="remove NCCL_PROTO; the plugin forces simple where it must",
    check="NCCL_DEBUG=INFO: look for 'NCCL_PROTO set by environment'",
)(_standing("corrupting"))


no_slower_variable = _of("forced", "overriding", "slowing", "verbs").warning(
    "FABRIC-27",
    what="A variable overrides what NCCL and its plugin choose, or disables direct memory access.",
    why="NCCL and the tuner choose protocol and algorithm by size and number of nodes, and the "
    "plugin sets buffers, chunks and topology of each instance type: one choice for everything is "
    "slow for most of it, and so are host memory in place of NVLink or GPUDirect RDMA, and "
    "registration of memory with the variables of libibverbs.",
    source=f"NCCL user guide, environment variables, 2026-06-11; aws-ofi-nccl v1.20.0 release "
    f"notes and src/platform-aws.cpp, 2026-08-19; {CHEATSHEET}",
    fix="remove it",
    check="all_reduce_perf -b 8 -e 2G -f 2 with and without it; NCCL_DEBUG=INFO: look for 'via "
    "P2P' and 'GDRDMA'",
)(*map(_standing, ("forced", "overriding", "slowing", "verbs")))


@About[JobEnvironment](
    lambda model: [e for e in model.environments if e.plugin and not e.without_efa],
    source=CHEATSHEET,
    check=INSTALLED,
).warning(
    "FABRIC-31",
    what="A job with an old plugin lacks environment variables that this version needs.",
    why="Up to 1.5 the plugin takes any provider and leaves protocols on that EFA does not order, "
    "and before 1.7 RDMA is used only when it is asked for.",
    fix="take an EFA installer of today, whose plugin needs none of them",
)
def needed_variables(_model: Model, environment: JobEnvironment) -> Iterator[Fault]:
    plugin = environment.plugin
    stated = ".".join(map(str, plugin or ()))
    for row in job_environment.missing(environment.plain(), plugin):
        yield Fault(
            f"{row.name} is not set and the plugin is {stated}: {row.why}",
            fix=f"{row.fix}, or take an EFA installer of today",
        )
