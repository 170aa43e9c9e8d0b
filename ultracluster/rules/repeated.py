"""Judgements of several variants: a rule that would read the same again is not run again.

Variants of a template agree in most of what they define. What a rule reads of a model is noted with
what it gets. Where another variant's model gives the same for the same subject, so does the rule.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from types import FunctionType
from typing import Any, Final, cast

from ultracluster.model.model import Model
from ultracluster.rules.rule import CannotTell, Finding, Rule
from ultracluster.templates.resolved import ResolvedResource, Variant
from ultracluster.templates.resolved_values import UndeterminedError

Result = tuple[int, Finding | CannotTell]
"""What a rule says, with the number of the judge that says it."""
Question = tuple[Any, ...]
"""Name of a part of a model, and where one entry of it was read, its key."""
Notes = dict[Question, Any]

TABLES: Final = ("_by_key", "_by_type")
"""Parts of which each entry is noted by itself: rules ask for single resources and types."""
WHOLE: Final = ("dependencies", "made")
"""The methods that read many resources of which they return little: that is noted."""


def results(rule: Rule, model: Model) -> Iterator[Result]:
    """Yield what a rule says of one model."""
    for subject in rule.subjects(model):
        yield from _of(rule, model, subject)


def _of(rule: Rule, model: Model, subject: Any) -> Iterator[Result]:
    for part, judge in enumerate(rule.judges):
        try:
            for fault in judge(model, subject):
                place, fix = fault.place or subject.place, fault.fix or rule.fix
                yield part, Finding(rule.id, place, fault.message, fix)
        except UndeterminedError as error:
            yield part, CannotTell(rule.id, subject.place, error.because)


@dataclass
class Known:
    """What was read of models, and what rules found there."""

    kept: dict[tuple[str, int], Any] = field(default_factory=dict)
    """What models keep of single values (`Model.once`)."""
    answers: defaultdict[Question, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Every answer to a question that differs from those before it; all are kept, so that the
    identity of each is its own."""
    subjects: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    """By identity of a subject: it, and what was equal to it before. Variants share statements."""
    said: defaultdict[str, dict[int, tuple[Any, list[tuple[Notes, list[Result]]]]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """By rule and identity of a subject: it, what was read of the model for it, and the results."""

    def same(self, question: Question, answer: Any) -> Any:
        """Return the answer of another model that is equal to this one, else this one."""
        others = self.answers[question]
        for other in others:
            if other is answer or other == answer:
                return other
        others.append(answer)
        return answer


class Watched:
    """The model of a variant, of which everything that is read is noted."""

    def __init__(self, variant: Variant, known: Known) -> None:
        self.model = Model(variant, known.kept)
        self._known = known
        self._answers: Notes = {}
        self._notes: Notes = {}
        self.once = self.model.once
        """What it makes depends on the value alone."""

    def results(self, rule: Rule) -> list[Result]:
        """Return what a rule says of the model, run only where it may say something else."""
        said, model = self._known.said[rule.id], cast("Model", self)
        results: list[Result] = []
        for given in rule.subjects(self.model):
            subject = given if isinstance(given, ResolvedResource) else self._same(given)
            # The subject is kept as well: another one must not get its identity.
            _, earlier = said.setdefault(id(subject), (subject, []))
            for notes, found in earlier:
                if not notes or all(self._read(asked) is says for asked, says in notes.items()):
                    results += found
                    break
            else:
                self._notes = {}
                found = list(_of(rule, model, subject))
                earlier.append((self._notes, found))
                results += found
        return results

    def _same(self, subject: Any) -> Any:
        """Return a subject as it was in another model, if it was the same there."""
        known = self._known.subjects
        if id(subject) not in known:
            # Statements are told apart by their path, nodes of one template by who launches them.
            parts = (getattr(subject, name, None) for name in ("path", "launcher"))
            where = (
                part if isinstance(part, str) else getattr(part, "place", None) for part in parts
            )
            question = ("subject", type(subject), subject.place, *where)
            known[id(subject)] = subject, self._known.same(question, subject)
        return known[id(subject)][1]

    def _read(self, question: Question) -> Any:
        if question not in self._answers:
            name, *key = question
            answer = getattr(self.model, name)
            if name == "variant":
                answer = replace(answer, resources=(), choices={}, unusual={}, incomplete=None)
            if key:
                answer = answer(*key) if name in WHOLE else answer.get(*key)
            self._answers[question] = self._known.same(question, answer)
        return self._answers[question]

    def note(self, *question: Any) -> Any:
        """Return a part of the model, or an entry of one, and note it."""
        answer = self._notes[question] = self._read(question)
        return answer

    def __getattr__(self, name: str) -> Any:
        if name in WHOLE:
            return partial(self.note, name)
        method = getattr(Model, name, None)
        if isinstance(method, FunctionType):
            # What a method reads is noted, and not what it returns.
            return method.__get__(self)
        return _Table(self, name) if name in TABLES else self.note(name)


@dataclass(frozen=True)
class _Table:
    """A part of a model that is read by key."""

    watched: Watched
    name: str

    def get(self, key: Any, otherwise: Any = None) -> Any:
        found = self.watched.note(self.name, key)
        return otherwise if found is None else found
