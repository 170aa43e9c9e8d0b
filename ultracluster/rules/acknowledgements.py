"""The acknowledgements of an app, read from its cloud assembly, and findings about them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.suggestions import did_you_mean
from ultracluster.templates.assembly import Metadata

NAMESPACE: Final = "UltraCluster"
"""Name of these rules, which ids of their findings begin with."""
KIND: Final = "aws:cdk:acknowledged-rules"
LOGICAL_ID: Final = "aws:cdk:logicalId"
SENTENCE: Final = re.compile(r"[A-Z]\S*(?:\s+\S+){4,}[.!?]", re.DOTALL)
"""A sentence of at least five words, as a reviewer has to understand the reason."""


@dataclass(frozen=True)
class Acknowledgement:
    """An acknowledged finding, and the reason."""

    path: str
    """Path of the construct."""
    rule: str
    reason: str
    above: bool
    """Whether it is at a stack, stage or app, where it hides findings that nobody has read."""


@dataclass(frozen=True)
class Objection:
    """A finding about an acknowledgement."""

    rule: str
    path: str
    message: str
    fix: str


UNEXPLAINED: Final = "ACKNOWLEDGEMENT-1"
TOO_WIDE: Final = "ACKNOWLEDGEMENT-2"
OF_NOTHING: Final = "ACKNOWLEDGEMENT-3"
FORBIDDEN: Final = "ACKNOWLEDGEMENT-4"
OBJECTIONS: Final[Mapping[str, str]] = {
    UNEXPLAINED: "The reason of an acknowledgement is not a sentence of at least five words.",
    TOO_WIDE: "An acknowledgement at an app, a stage or a stack hides findings nobody has read.",
    OF_NOTHING: "An acknowledgement is for a finding that does not exist.",
    FORBIDDEN: "A finding is acknowledged that would lose data or can never work.",
}
FIXES: Final[Mapping[str, str]] = {
    UNEXPLAINED: "write a sentence: why it is right here, and what controls the risk instead",
    TOO_WIDE: "acknowledge it at the construct that has the finding",
    OF_NOTHING: "remove it, correct its id, or move it to the construct that has the finding",
    FORBIDDEN: "remove the acknowledgement and fix the finding",
}


def objections(
    acknowledged: Iterable[Acknowledgement],
    findings: Sequence[tuple[str, str]],
    known: Collection[str],
    forbidden: frozenset[str],
) -> Iterator[Objection]:
    """Yield findings about acknowledgements.

    Args:
        acknowledged: everything that the app acknowledges of these rules.
        findings: rule and path of the construct of each finding.
        known: the ids of all rules.
        forbidden: rules that cannot be acknowledged.
    """
    for entry in acknowledged:
        found: list[tuple[str, str]] = []
        if not SENTENCE.fullmatch(entry.reason.strip()):
            found.append((UNEXPLAINED, f'the reason for {entry.rule} is "{entry.reason}"'))
        if entry.above:
            found.append((TOO_WIDE, f"{entry.rule} is acknowledged for everything below"))
        if entry.rule not in known:
            near = did_you_mean(entry.rule, known)
            found.append((OF_NOTHING, f"there is no rule {entry.rule}{near}"))
        elif not any(covers(entry, rule, path) for rule, path in findings):
            found.append((OF_NOTHING, f"{entry.rule} finds nothing here"))
        elif entry.rule in forbidden:
            found.append((FORBIDDEN, f"{entry.rule} cannot be acknowledged"))
        for code, message in found:
            yield Objection(code, entry.path, message, FIXES[code])


def excuse(
    acknowledged: Iterable[Acknowledgement], rule: str, path: str, forbidden: frozenset[str]
) -> str | None:
    """Return the reason if a finding at a construct is acknowledged and may be, otherwise None."""
    if rule in forbidden:
        return None
    return next(
        (
            entry.reason
            for entry in acknowledged
            if covers(entry, rule, path)
            and not entry.above
            and SENTENCE.fullmatch(entry.reason.strip())
        ),
        None,
    )


def covers(entry: Acknowledgement, rule: str, path: str) -> bool:
    """Whether an acknowledgement is of a rule's finding at a construct."""
    within = not entry.path or path == entry.path or path.startswith(f"{entry.path}/")
    return rule == entry.rule and within


def recorded(metadata: Metadata) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements in the metadata of a stack.

    Args:
        metadata: entries by construct path, as a cloud assembly has them.
    """
    stack = min((path.strip("/") for path in metadata), key=len, default="")
    for path, entries in metadata.items():
        for entry in entries:
            if entry.get("type") == KIND:
                place = path.strip("/")
                yield from acknowledgements(place, entry.get("data"), above=place == stack)


def acknowledgements(path: str, data: object, *, above: bool) -> Iterator[Acknowledgement]:
    """Yield what is acknowledged of these rules at one construct: reason by qualified id."""
    for name, reason in data.items() if isinstance(data, Mapping) else ():
        prefix, _, rule = name.partition("::")
        if prefix == NAMESPACE:
            yield Acknowledgement(path, rule, str(reason), above)


def paths(metadata: Metadata) -> Mapping[str, str]:
    """Return the path of each construct of a stack by its logical id."""
    return {
        entry["data"]: path.strip("/")
        for path, entries in metadata.items()
        for entry in entries
        if entry.get("type") == LOGICAL_ID and isinstance(entry.get("data"), str)
    }
