"""Single settings of services: a number that falls or rises, a safeguard that is switched off."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.routes import lost
from ultracluster.review.changes.sources import api
from ultracluster.review.changes.verdict import Site, Verdict, changed
from ultracluster.review.changes.words import count, known_text, quoted

DATABASE: Final = "AWS::RDS::DBInstance"
BATCH: Final = "AWS::Batch::ComputeEnvironment"
EKS: Final = "AWS::EKS::Cluster"
ALARM: Final = "AWS::CloudWatch::Alarm"
MACHINE: Final = "AWS::StepFunctions::StateMachine"
FUNCTION: Final = "AWS::Lambda::Function"
VOLUME: Final = "AWS::EC2::Volume"
TABLE: Final = "AWS::DynamoDB::Table"

MODIFY: Final = api("RDS", "ModifyDBInstance")
VOLUMES: Final = api("EC2", "ModifyVolume: the target size must be at least the existing one")
JOBS: Final = api("Batch", "UpdateComputeEnvironment")


class Amount(NamedTuple):
    """What it means that a number falls, and that it rises."""

    less: Danger
    more: Danger
    says: str
    """With `{name}`, `{was}` and `{now}`."""
    why: str
    unset: int | None = None
    """What holds where nothing is written; None where that is not known."""


AMOUNTS: Final[Mapping[tuple[str, str], Amount]] = {
    (BATCH, "ComputeResources.MaxvCpus"): Amount(
        Danger.REDUCES_CAPACITY,
        Danger.COSTS_MORE,
        "jobs of {name} have at most {now} vCPU instead of {was}",
        JOBS,
    ),
    (BATCH, "ComputeResources.MinvCpus"): Amount(
        Danger.HARMLESS,
        Danger.COSTS_MORE,
        "{name} keeps {now} vCPU running without a job instead of {was}",
        JOBS,
        0,
    ),
    (DATABASE, "AllocatedStorage"): Amount(
        Danger.FAILS,
        Danger.COSTS_MORE,
        "{name} has {now} GiB instead of {was}",
        f"{MODIFY}: storage only grows",
    ),
    (DATABASE, "BackupRetentionPeriod"): Amount(
        Danger.LOSES_DATA,
        Danger.COSTS_MORE,
        "automatic backups of {name} are kept {now} days instead of {was}",
        f"{MODIFY}: 0 disables automated backups",
        1,
    ),
    (VOLUME, "Size"): Amount(
        Danger.FAILS,
        Danger.COSTS_MORE,
        "{name} has {now} GiB instead of {was}",
        VOLUMES,
    ),
    (FUNCTION, "Timeout"): Amount(
        Danger.INTERRUPTS,
        Danger.HARMLESS,
        "a call of {name} is ended after {now} seconds instead of {was}",
        api("Lambda", "UpdateFunctionConfiguration: the default is 3 seconds"),
        3,
    ),
    (FUNCTION, "MemorySize"): Amount(
        Danger.INTERRUPTS,
        Danger.COSTS_MORE,
        "a call of {name} has {now} MB of memory instead of {was}",
        api("Lambda", "UpdateFunctionConfiguration: the default is 128 MB"),
        128,
    ),
    ("AWS::PCS::Cluster", "SlurmConfiguration.ScaleDownIdleTimeInSeconds"): Amount(
        Danger.HARMLESS,
        Danger.COSTS_MORE,
        "an idle node is stopped after {now} seconds instead of {was}",
        api("PCS", "UpdateCluster: the default is 600 seconds"),
        600,
    ),
}

OFF: Final = (None, "false", "False")


class Safeguard(NamedTuple):
    """A setting that opens something, or no longer watches it."""

    opens: frozenset[str | None]
    """Values with which it is open."""
    danger: Danger
    says: str
    why: str
    instead: str = ""


SAFEGUARDS: Final[Mapping[tuple[str, str], Safeguard]] = {
    (EKS, "ResourcesVpcConfig.EndpointPublicAccess"): Safeguard(
        frozenset({None, "true", "True"}),
        Danger.LOOSENS_SECURITY,
        "the Kubernetes API of {name} can be reached from the internet",
        api("EKS", "CreateCluster, endpointPublicAccess: the default is true"),
        "name PublicAccessCidrs, or set EndpointPublicAccess to false",
    ),
    (DATABASE, "PubliclyAccessible"): Safeguard(
        frozenset({"true", "True"}),
        Danger.LOOSENS_SECURITY,
        "{name} has a public address; its security groups alone keep others out",
        MODIFY,
        "keep PubliclyAccessible false",
    ),
    (ALARM, "ActionsEnabled"): Safeguard(
        frozenset({"false", "False"}),
        Danger.LOOSENS_SECURITY,
        "nobody is told when {name} goes off",
        api("CloudWatch", "PutMetricAlarm, ActionsEnabled"),
    ),
    (TABLE, "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled"): Safeguard(
        frozenset(OFF),
        Danger.LOSES_DATA,
        "{name} can no longer be put back to what it was: its continuous backups go",
        api("DynamoDB", "UpdateContinuousBackups"),
    ),
    (MACHINE, "LoggingConfiguration.Level"): Safeguard(
        frozenset({None, "OFF"}),
        Danger.LOOSENS_SECURITY,
        "executions of {name} are no longer logged",
        api("Step Functions", "UpdateStateMachine, loggingConfiguration"),
    ),
    ("AWS::CloudTrail::Trail", "IsLogging"): Safeguard(
        frozenset({"false", "False"}),
        Danger.LOOSENS_SECURITY,
        "calls are no longer recorded by {name}",
        api("CloudTrail", "StopLogging"),
    ),
    ("AWS::CloudTrail::Trail", "EnableLogFileValidation"): Safeguard(
        frozenset(OFF),
        Danger.LOOSENS_SECURITY,
        "nobody can tell any more whether records of {name} were changed",
        api("CloudTrail", "UpdateTrail, EnableLogFileValidation"),
    ),
    (BATCH, "State"): Safeguard(
        frozenset({"DISABLED"}),
        Danger.INTERRUPTS,
        "no further job is placed in {name}; those that run go on",
        JOBS,
    ),
}

OPENED: Final[Mapping[tuple[str, str], tuple[str, str, str]]] = {
    (EKS, "ResourcesVpcConfig.PublicAccessCidrs"): (
        "the Kubernetes API of {name} can be reached from {come}",
        "the Kubernetes API of {name} can no longer be reached from {gone}",
        api("EKS", "UpdateClusterConfig, publicAccessCidrs"),
    ),
}
WATCHED: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    (ALARM, "AlarmActions"): (
        "{gone} is no longer told when {name} goes off",
        api("CloudWatch", "PutMetricAlarm, AlarmActions"),
    ),
    (EKS, "Logging.ClusterLogging.EnabledTypes"): (
        "{name} no longer logs {gone}",
        api("EKS", "UpdateClusterConfig, logging"),
    ),
}
CODE: Final[Mapping[str, frozenset[str]]] = {
    FUNCTION: frozenset({"Code", "Runtime", "Handler", "Environment", "Layers"}),
    MACHINE: frozenset({"Definition", "DefinitionString", "DefinitionS3Location"}),
}
"""Properties that hold a program, or what it runs on."""
TYPES: Final = tuple(
    dict.fromkeys(
        [*(k for table in (AMOUNTS, SAFEGUARDS, OPENED, WATCHED) for k, _ in table), *CODE]
    )
)


@changed(*TYPES)
def setting(site: Site) -> Iterator[Verdict]:
    """Judge a number, a safeguard, a list or a program."""
    for (kind, dots), amount in AMOUNTS.items():
        if _at(site, kind, dots):
            yield from _amount(site, dots, amount)
    for (kind, dots), guard in SAFEGUARDS.items():
        if _at(site, kind, dots):
            yield from _safeguard(site, dots, guard)
    for (kind, dots), opened in OPENED.items():
        if _at(site, kind, dots):
            yield from _opened(site, dots, *opened)
    for (kind, dots), watched in WATCHED.items():
        if _at(site, kind, dots):
            yield _watched(site, dots, *watched)
    if site.path[0] in CODE.get(site.type, ()):
        yield Verdict(
            Danger.CANNOT_TELL,
            f"{site.path[0]} of {site.name} is another one from now on: what it does then stands "
            "in the program, and not in its type",
            "read the program",
        )


def _safeguard(site: Site, dots: str, guard: Safeguard) -> Iterator[Verdict]:
    was, now = (known_text(value) for value in site.both(*dots.split(".")))
    says = guard.says.format(name=site.name)
    if now in guard.opens and was not in guard.opens:
        yield Verdict(guard.danger, says, guard.why, guard.instead)
    elif was in guard.opens and now not in guard.opens:
        yield Verdict(Danger.HARMLESS, f"it is no longer so that {says}", guard.why)


def _opened(site: Site, dots: str, comes: str, goes: str, why: str) -> Iterator[Verdict]:
    was, now = site.both(*dots.split("."))
    if come := lost(now, was):
        says = comes.format(name=site.name, come=_names(come))
        yield Verdict(Danger.LOOSENS_SECURITY, says, why)
    if gone := lost(was, now):
        says = goes.format(name=site.name, gone=_names(gone))
        yield Verdict(Danger.INTERRUPTS, says, why)


def _watched(site: Site, dots: str, says: str, why: str) -> Verdict:
    gone = lost(*site.both(*dots.split(".")))
    if not gone:
        return Verdict(Danger.HARMLESS, f"{site.name} tells more than before", why)
    return Verdict(Danger.LOOSENS_SECURITY, says.format(name=site.name, gone=_names(gone)), why)


def _at(site: Site, kind: str, dots: str) -> bool:
    return site.type == kind and site.touches(*dots.split(".")) and site.differs(*dots.split("."))


def _names(values: Any) -> str:
    return ", ".join(quoted(value) for value in values)


def _amount(site: Site, dots: str, amount: Amount) -> Iterator[Verdict]:
    was, now = (
        amount.unset if value is None else count(value) for value in site.both(*dots.split("."))
    )
    if was is None or now is None:
        yield Verdict(
            Danger.CANNOT_TELL, f"{dots} of {site.name} is not known on both sides", amount.why
        )
        return
    says = amount.says.format(name=site.name, was=f"{was:,}", now=f"{now:,}")
    danger = amount.less if now < was else amount.more
    refused = f"it is refused that {says}: it only grows"
    yield Verdict(danger, refused if danger is Danger.FAILS else says, amount.why)
