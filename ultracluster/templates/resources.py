"""One resource of a template, with everything in it resolved."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.templates.evaluation import Evaluation
from ultracluster.templates.references import ABSENT
from ultracluster.templates.resolved import Place, ResolvedResource, Unknown
from ultracluster.templates.scope import Entry, Scope, mapping, section

_POLICIES: Final = ("DeletionPolicy", "UpdateReplacePolicy")


class Veiled(Mapping[str, Any]):
    """Properties of which nothing is known, not even which there are."""

    def __init__(self, because: str) -> None:
        self._unknown = Unknown(because)

    @property
    def because(self) -> str:
        return self._unknown.because

    def __getitem__(self, name: str) -> Any:
        return self._unknown

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Veiled) and other._unknown == self._unknown

    __hash__ = None  # type: ignore[assignment]


def resource_of(scope: Scope, entry: Entry, evaluation: Evaluation) -> ResolvedResource | None:
    """Return one resource, resolved; None where its condition does not hold."""
    body = mapping(entry.value)
    condition = body.get("Condition")
    if isinstance(condition, str) and not evaluation.truth(scope, condition):
        return None
    metadata = section(body, "Metadata")
    path = metadata.get("aws:cdk:path")
    lines = scope.template.lines
    resource_type = body.get("Type")
    depends = body.get("DependsOn", [])
    properties: Any = Veiled(entry.open_because or f"{entry.key} is not a mapping")
    if entry.open_because is None and isinstance(entry.value, dict):
        properties = evaluation.value(body.get("Properties", {}), scope)
        if not isinstance(properties, dict):
            properties = Veiled(
                properties.because
                if isinstance(properties, Unknown)
                else "its Properties are not a mapping"
            )
    policies = [_policy(body, name, scope, evaluation) for name in _POLICIES]
    return ResolvedResource(
        place=Place(
            stack=scope.name,
            logical_id=entry.key,
            file=scope.template.file,
            line=lines.get(entry.key, lines.get(entry.written_as)),
            construct_path=path if isinstance(path, str) else None,
        ),
        resource_type=resource_type if isinstance(resource_type, str) else "",
        properties=properties,
        depends_on=frozenset(
            [
                *(link.logical_id for link in evaluation.links if link.stack == scope.name),
                *([depends] if isinstance(depends, str) else _texts(depends)),
            ]
        ),
        deletion_policy=policies[0],
        update_replace_policy=policies[1],
        metadata=metadata,
    )


def _policy(
    body: Mapping[str, Any], name: str, scope: Scope, evaluation: Evaluation
) -> str | Unknown | None:
    found = evaluation.value(body.get(name), scope)
    if found is None or found is ABSENT:
        return None
    return found if isinstance(found, str | Unknown) else Unknown(f"{name} is no text")


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
