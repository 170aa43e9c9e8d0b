"""Policies, wherever a template carries them, and the roles, users and groups that have them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

from ultracluster.model.resource import ModelResource
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Encoded, Link, Place, ResolvedResource, Text, Unknown
from ultracluster.templates.resolved_values import Key, UndeterminedError
from ultracluster.templates.texts import document, identity, scalar

PolicyKind = Literal["identity", "trust", "resource"]

ROLE: Final = "AWS::IAM::Role"
IDENTITIES: Final = (ROLE, "AWS::IAM::User", "AWS::IAM::Group")
ATTACHED: Final = (
    *("AWS::IAM::GroupPolicy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"),
    *("AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::SSO::PermissionSet"),
)
"""Policies of identities that are resources of their own."""
HOLDERS: Final = ("Roles", "Users", "Groups", "RoleName", "UserName", "GroupName")
SUBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::S3::BucketPolicy": ("Bucket",),
    "AWS::SNS::TopicPolicy": ("Topics",),
    "AWS::SNS::TopicInlinePolicy": ("TopicArn",),
    "AWS::SQS::QueuePolicy": ("Queues",),
    "AWS::SQS::QueueInlinePolicy": ("Queue",),
    "AWS::SecretsManager::ResourcePolicy": ("SecretId",),
    "AWS::Lambda::Permission": ("FunctionName",),
}
"""What a policy is of that is a resource of its own."""
TRUST: Final = "AssumeRolePolicyDocument"
MANAGED: Final = "ManagedPolicyArns"
DEEPEST: Final = 6
"""Levels below the properties at which a policy may stand."""
UNKNOWN_VALUE: Final = "?"
"""How the mark of a value begins of which not even the name is known."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, and where it is written."""

    place: Place
    kind: PolicyKind
    """Whether it says what an identity may do, who may take a role, or who may use a resource."""
    path: str
    """For example `PolicyDocument.Statement[0]`."""
    body: Mapping[str, Any]
    owners: tuple[Key, ...]
    """Roles, users or groups that have it; resources that it is the policy of."""
    narrows: bool = False
    """Whether it only narrows what other policies allow, as that of a VPC endpoint does."""

    @property
    def effect(self) -> Any:
        return self.body.get("Effect")

    def allows(self) -> bool:
        return read.text(self.effect) == "Allow"

    def actions(self) -> list[str]:
        """Return its actions in lower case, with a mark for what is not known."""
        return self._actions

    @cached_property
    def _actions(self) -> list[str]:
        return [read.written(action).lower() for action in read.items(self.body, "Action")]

    def names(self, action: str) -> bool:
        """Whether it names an action, as it is or by a pattern."""
        return any(pattern_matches(pattern, action.lower()) for pattern in self.actions())

    def named(self, actions: Iterable[str]) -> list[str]:
        """Return those of some actions that it names, as they are or by a pattern."""
        patterns = [action for action in self.actions() if action != "*"]
        return [a for a in actions if any(pattern_matches(p, a.lower()) for p in patterns)]

    def resources(self) -> list[Any]:
        return read.items(self.body, "Resource")

    def conditions(self) -> set[str]:
        """Return the condition keys that it names, in lower case."""
        return {name for _, name, _ in conditions_of(self.body)}


Owned = Mapping[tuple[PolicyKind, Key], Sequence[Statement]]
"""Statements by their kind and who has them."""


@dataclass(frozen=True, eq=False)
class Identity(ModelResource):
    """A role, user or group with the statements of its policies that the templates hold."""

    statements: tuple[Statement, ...]
    trust: tuple[Statement, ...]
    """Who may take it."""

    def trusted(self) -> Iterator[tuple[str, Statement]]:
        """Yield each service that may take it, with the statement that says so."""
        for statement in self.trust:
            for service in read.items(statement.body, "Principal", "Service"):
                yield read.written(service), statement

    @cached_property
    def outside_policies(self) -> tuple[Any, ...]:
        """Its managed policies whose statements the templates do not hold."""
        return tuple(a for a in listed(self.properties.get(MANAGED)) if not isinstance(a, Link))


def read_statements(
    resources: Sequence[ResolvedResource],
    statements: Callable[[ResolvedResource], Sequence[Statement]],
) -> Iterator[Statement]:
    """Yield every statement of a variant, in the order of the resources.

    Args:
        resources: all resources.
        statements: the statements of one resource, which variants may share.
    """
    users: dict[Key, list[Key]] = {}
    for resource in resources:
        if resource.resource_type in IDENTITIES:
            for name in _keys(resource.properties.get(MANAGED)):
                users.setdefault(name, []).append(resource.place.key)
    for resource in resources:
        found = statements(resource)
        more = users.get(resource.place.key)
        if more and resource.resource_type in ATTACHED:
            found = [
                replace(each, owners=tuple(dict.fromkeys([*each.owners, *more]))) for each in found
            ]
        yield from found


def statements_of(resource: ResolvedResource) -> Iterator[Statement]:
    owners: tuple[Key, ...] = (resource.place.key,)
    attached = HOLDERS if resource.resource_type in ATTACHED else ()
    if names := SUBJECTS.get(resource.resource_type, attached):
        named = (n for name in names for n in _keys(resource.properties.get(name)))
        owners = tuple(dict.fromkeys(named))
    if resource.resource_type == "AWS::Lambda::Permission":
        yield Statement(resource.place, "resource", "", _permission(resource), owners)
        return
    narrows = resource.resource_type == "AWS::EC2::VPCEndpoint"
    of_identity = resource.resource_type in (*ATTACHED, *IDENTITIES)
    for path, policy in _documents(resource.properties, (), 0):
        kind: PolicyKind = (
            "trust" if path[0] == TRUST else "identity" if of_identity else "resource"
        )
        where = ".".join(path).replace(".[", "[")
        for index, body in enumerate(listed(policy.get("Statement"))):
            if isinstance(body, Mapping):
                place = f"{where}.Statement[{index}]"
                yield Statement(resource.place, kind, place, body, owners, narrows)


def by_owner(statements: Iterable[Statement]) -> Owned:
    owned: dict[tuple[PolicyKind, Key], list[Statement]] = {}
    for statement in statements:
        for owner in statement.owners:
            owned.setdefault((statement.kind, owner), []).append(statement)
    return owned


def read_identities(resources: Sequence[ResolvedResource], owned: Owned) -> tuple[Identity, ...]:
    return tuple(
        Identity(
            resource,
            tuple(owned.get(("identity", resource.place.key), ())),
            tuple(owned.get(("trust", resource.place.key), ())),
        )
        for resource in resources
        if resource.resource_type in IDENTITIES
    )


def _permission(resource: ResolvedResource) -> Mapping[str, Any]:
    """Return what a permission of a Lambda function says, as a statement."""
    given = resource.properties
    principal = given.get("Principal")
    service = isinstance(principal, Text) or "." in str(principal)
    equal = {
        f"aws:{field}": given[field]
        for field in ("SourceAccount", "PrincipalOrgID")
        if field in given
    }
    source = {"aws:SourceArn": given["SourceArn"]} if "SourceArn" in given else {}
    conditions = {"ArnLike": source, "StringEquals": equal}
    return {
        "Effect": "Allow",
        "Principal": {"Service" if service else "AWS": principal},
        "Action": given.get("Action"),
        "Resource": given.get("FunctionName"),
        "Condition": {operator: keys for operator, keys in conditions.items() if keys} or None,
    }


_TEXTS: Final = (str, Text)


def _documents(
    value: Any, path: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield every policy below a value: a mapping, or JSON in a text, that has statements."""
    if isinstance(value, _TEXTS):
        start = value if isinstance(value, str) else str(value.parts[0])
        if (
            not path
            or not start.lstrip().startswith("{")
            or '"Statement"' not in read.written(value)
        ):
            return
        value = document(value)
    if isinstance(value, Mapping):
        if "Statement" in value and path:
            yield path, value
        elif depth < DEEPEST:
            for name, inner in value.items():
                yield from _documents(inner, (*path, str(name)), depth + 1)
    elif isinstance(value, list) and depth < DEEPEST:
        for index, inner in enumerate(value):
            yield from _documents(inner, (*path, f"[{index}]"), depth + 1)


def _keys(value: Any) -> Iterator[Key]:
    """Yield what the items of a list refer to, as far as that is known."""
    for item in listed(value):
        with suppress(UndeterminedError):
            yield read.key(item)


def listed(value: Any) -> list[Any]:
    """Return a list, or one alone as a list; what is not known is one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def principals_of(body: Mapping[str, Any], name: str = "Principal") -> Iterator[tuple[str, Any]]:
    """Yield kind and value of each principal: `AWS`, `Service`, `Federated` or `CanonicalUser`."""
    stated = body.get(name)
    for kind, values in (stated if isinstance(stated, Mapping) else {"AWS": stated}).items():
        yield from ((str(kind), value) for value in listed(values))


def conditions_of(body: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield operator, key and values of each condition, the first two in lower case.

    A condition that is not known has the operator `?`.
    """
    stated = body.get("Condition")
    for operator, keys in (stated if isinstance(stated, Mapping) else {"?": stated}).items():
        if isinstance(keys, Mapping):
            for name, values in keys.items():
                yield str(operator).lower(), str(name).lower(), listed(values)
        elif keys is not None:
            yield str(operator).lower(), token(keys), []


def pattern_matches(pattern: str, text: str) -> bool:
    """Whether a text is one that a pattern of IAM stands for."""
    return bool(compiled(pattern).fullmatch(text))


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern of IAM as a regular expression, which never goes back in a text."""
    first, *others = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    if not others:
        return re.compile(first, re.DOTALL)
    within = "".join(f"(?>.*?{part})" for part in others[:-1] if part)
    return re.compile(f"{first}{within}.*{others[-1]}", re.DOTALL)


def token(value: Any) -> str:
    """Return a resolved value as a text in which references and unknown values are marked."""
    if isinstance(value, Link):
        attribute = f".{value.attribute}" if value.attribute else ""
        return f"<{value.stack}/{value.logical_id}{attribute}>"
    if isinstance(value, Unknown):
        if value.symbol and value.symbol.startswith("AWS::"):
            return f"<{value.symbol}>"
        name = value.symbol or value.because
        return f"<{UNKNOWN_VALUE}{name.replace('<', '').replace('>', '')}>"
    if isinstance(value, Text):
        return "".join(token(piece) for piece in value.parts)
    if isinstance(value, Encoded):
        return token(value.content)
    return scalar(value) or identity(value) or str(value)
