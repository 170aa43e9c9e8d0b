"""The types of rules and of their results."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from ultracluster.model.jobs import HyperPodGroup, TrainingJob
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node
from ultracluster.model.policies import Identity
from ultracluster.model.storage import FileSystem
from ultracluster.templates.resolved import Place, ResolvedResource
from ultracluster.templates.resolved_values import UndeterminedError

Severity = Literal["error", "warning", "info"]
Level = Literal["fatal", "error", "warning", "info"]
"""The severity of a rule, in CDK's terms: fatal is an error that nobody may acknowledge, because
data would be lost or it can never work."""

MOST_LATE: Final = 20
"""Highest number of missing dependencies in one message; after these are written, the next run
names further ones."""


def first_of(names: Iterable[str]) -> list[str]:
    """Return the first names for a message, with `...` if there are more."""
    first = list(islice(names, MOST_LATE + 1))
    return [*first[:MOST_LATE], "..."] if len(first) > MOST_LATE else first


RULES_PAGE: Final = "docs/rules.md"
"""Where the rules are described, in this project's repository; no address of it is public yet."""


def launches(part: str) -> str:
    """Return the command that confirms a part of a launch template."""
    return (
        "aws ec2 describe-launch-template-versions --launch-template-id <id> --versions '$Latest' "
        f"--query 'LaunchTemplateVersions[].LaunchTemplateData.{part}'"
    )


def address(rule_id: str) -> str:
    """Return where a rule is described."""
    return f"{RULES_PAGE}#{rule_id.lower()}"


class Subject(Protocol):
    """What a rule checks: one part of a model."""

    @property
    def place(self) -> Place: ...


Something = TypeVar("Something", bound=Subject)
Judged_co = TypeVar("Judged_co", bound=Subject, covariant=True)


@dataclass(frozen=True)
class Fault:
    """One thing that a rule finds at a subject."""

    message: str
    """What is wrong, with the values as they were given."""

    fix: str | None = None
    """What to write here, where the rule can say more than its general fix."""

    place: Place | None = None
    """Where, if not at the subject."""


Judge = Callable[[Model, Something], Iterator[Fault]]


@dataclass(frozen=True)
class Rule:
    """One rule, with its texts for people and the functions that check it."""

    id: str
    level: Level
    what: str
    """The fault, in one sentence."""
    why: str
    """The consequence, in one sentence."""
    source: str
    """Thread or document, and its date."""
    fix: str
    """The value to write."""
    check: str
    """The command that confirms it, AWS's own in most cases."""
    subjects: Callable[[Model], Iterable[Any]] = field(repr=False, compare=False)
    judges: tuple[Judge[Any], ...] = field(repr=False, compare=False)
    """Functions that check every subject; if one raises UndeterminedError, the others still run."""

    @property
    def severity(self) -> Severity:
        return "error" if self.level == "fatal" else self.level

    @property
    def acknowledgeable(self) -> bool:
        return self.level != "fatal"


class Making(Protocol[Judged_co]):
    """Makes a rule of one judge, as a decorator, or of several."""

    def __call__(self, *judges: Judge[Judged_co]) -> Rule: ...


@dataclass(frozen=True)
class About(Generic[Something]):
    """Makes rules about one kind of subject, of functions that yield the faults of one of them.

    The texts of a rule are the fields of `Rule`.
    """

    subjects: Callable[[Model], Iterable[Something]]
    source: str = ""
    """The source of rules that state none, as most rules of a module share one."""
    check: str = ""

    def _rule(self, level: Level, identifier: str, texts: Mapping[str, str]) -> Making[Something]:
        stated = {"source": self.source, "check": self.check, **texts}
        return lambda *judges: Rule(
            identifier, level, **stated, subjects=self.subjects, judges=judges
        )

    def fatal(self, identifier: str, **texts: str) -> Making[Something]:
        return self._rule("fatal", identifier, texts)

    def error(self, identifier: str, **texts: str) -> Making[Something]:
        return self._rule("error", identifier, texts)

    def warning(self, identifier: str, **texts: str) -> Making[Something]:
        return self._rule("warning", identifier, texts)

    def info(self, identifier: str, **texts: str) -> Making[Something]:
        return self._rule("info", identifier, texts)


def of(*types: str) -> About[ResolvedResource]:
    return About(lambda model: model.of(*types))


nodes: Final = About[Node](lambda model: model.nodes)
launched: Final = About[Node](lambda model: [node for node in model.nodes if node.launcher])
file_systems: Final = About[FileSystem](lambda model: model.file_systems)
jobs: Final = About[TrainingJob](lambda model: model.training_jobs)
hyperpod_groups: Final = About[HyperPodGroup](lambda model: model.hyperpod_groups)
roles: Final = About[Identity](lambda model: model.roles)
resources: Final = About[ResolvedResource](lambda model: model.resources)


@dataclass(frozen=True)
class Finding:
    """A fault that a rule found."""

    rule: str
    """Id of the rule."""
    place: Place
    message: str
    fix: str
    choices: Mapping[str, bool | str] = field(default_factory=dict, hash=False)
    """The undecided conditions, and the values of parameters, under which the finding exists; empty
    if it always exists."""

    avoidable: bool = field(default=False, compare=False)
    """Whether the finding needs a parameter value that is right together with other choices: an
    error is then shown as a warning."""


def assumptions(choices: Mapping[str, bool | str]) -> str:
    """Return under which choices something was found, as a sentence's rest."""
    said = {n: v if isinstance(v, str) else str(v).lower() for n, v in choices.items()}
    return " and ".join(f"{name} is {held}" for name, held in sorted(said.items()))


@dataclass(frozen=True)
class CannotTell:
    """A question of a rule that the templates do not answer."""

    rule: str
    """Id of the rule."""
    place: Place
    because: str
    """The rest of "cannot tell, because ..."."""


@dataclass(frozen=True)
class Verdict:
    """The results of all rules."""

    findings: tuple[Finding, ...]
    unknown: tuple[CannotTell, ...]


def results(rule: Rule, model: Model) -> Iterator[tuple[int, Finding | CannotTell]]:
    """Yield what a rule says of a model, each with the number of the judge that says it."""
    for subject in rule.subjects(model):
        for part, judge in enumerate(rule.judges):
            try:
                for fault in judge(model, subject):
                    place, fix = fault.place or subject.place, fault.fix or rule.fix
                    yield part, Finding(rule.id, place, fault.message, fix)
            except UndeterminedError as error:
                yield part, CannotTell(rule.id, subject.place, error.because)
