"""Roles, who may take them, and what policies allow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.templates.embedded_json import document
from ultracluster.templates.reading import Key, UndeterminedError, items, key, part, text, written
from ultracluster.templates.resolved import Place, ResolvedResource

POLICIES: Final = (
    "AWS::IAM::Policy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::RolePolicy",
)


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    place: Place
    body: Mapping[str, Any]

    def allows(self) -> bool:
        """Whether it allows."""
        return text(self.body.get("Effect")) == "Allow"

    def actions(self) -> list[str]:
        """Return its actions in lower case, with a mark for what is not known."""
        return [written(action).lower() for action in items(self.body.get("Action"))]

    def resources(self) -> list[Any]:
        """Return the resources that it speaks of."""
        return items(self.body.get("Resource"))

    def conditions(self) -> set[str]:
        """Return the condition keys that it names, in lower case."""
        operators = self.body.get("Condition")
        found = operators.values() if isinstance(operators, Mapping) else []
        return {name.lower() for keys in found if isinstance(keys, Mapping) for name in keys}


@dataclass(frozen=True)
class Role:
    """A role with the statements of its policies, as far as the templates have them."""

    place: Place
    properties: Mapping[str, Any]
    statements: tuple[Statement, ...]

    @property
    def key(self) -> Key:
        """What references to it lead to."""
        return (self.place.stack, self.place.logical_id)

    def trusted(self) -> Iterator[tuple[str, Statement]]:
        """Yield each service that may take it, with the statement that says so."""
        for body in _statements(self.properties.get("AssumeRolePolicyDocument")):
            for service in items(part(body, "Principal", "Service")):
                yield written(service), Statement(self.place, body)

    def managed(self) -> list[str]:
        """Return the managed policies that it has, with a mark for what is not known."""
        return [written(policy) for policy in items(self.properties.get("ManagedPolicyArns"))]

    def outside_policies(self) -> list[str]:
        """Return its managed policies whose statements the templates do not hold."""
        arns = items(self.properties.get("ManagedPolicyArns"))
        return [written(arn) for arn in arns if isinstance(arn, str) or written(arn)]


Reader = Callable[[ResolvedResource], Sequence[Statement]]


def _statements(policy: Any) -> Iterator[Mapping[str, Any]]:
    stated = document(policy)
    if isinstance(stated, Mapping):
        entries = stated.get("Statement")
        for body in entries if isinstance(entries, list) else [entries]:
            if isinstance(body, Mapping):
                yield body


def statements_of(resource: ResolvedResource) -> Iterator[Statement]:
    """Yield the statements of the identity policies in a resource."""
    if resource.resource_type in POLICIES:
        for body in _statements(resource.properties.get("PolicyDocument")):
            yield Statement(resource.place, body)
    elif resource.resource_type == "AWS::IAM::Role":
        inline = resource.properties.get("Policies")
        for policy in inline if isinstance(inline, list) else []:
            if isinstance(policy, Mapping):
                for body in _statements(policy.get("PolicyDocument")):
                    yield Statement(resource.place, body)


def read_roles(resources: Sequence[ResolvedResource], statements: Reader) -> tuple[Role, ...]:
    """Return the roles of a variant.

    Args:
        resources: all resources.
        statements: the statements of a resource's identity policies.
    """
    by_key = {(r.place.stack, r.place.logical_id): r for r in resources}
    attached: dict[Key, list[Statement]] = {}
    for resource in resources:
        if resource.resource_type in POLICIES:
            names = resource.properties.get("Roles") or resource.properties.get("RoleName") or []
            for name in names if isinstance(names, list) else [names]:
                try:
                    attached.setdefault(key(name), []).extend(statements(resource))
                except UndeterminedError:
                    continue
    found = []
    for resource in resources:
        if resource.resource_type == "AWS::IAM::Role":
            own: list[Statement] = list(statements(resource))
            own += attached.get((resource.place.stack, resource.place.logical_id), [])
            for name in _managed(resource):
                own += statements(by_key[name]) if name in by_key else ()
            found.append(Role(resource.place, resource.properties, tuple(own)))
    return tuple(found)


def _managed(role: ResolvedResource) -> Iterator[Key]:
    """Yield the managed policies that a role names, in order and each once."""
    seen: set[Key] = set()
    arns = role.properties.get("ManagedPolicyArns")
    for arn in arns if isinstance(arns, list) else []:
        try:
            name = key(arn)
        except UndeterminedError:
            continue
        if name not in seen:
            seen.add(name)
            yield name
