"""Policies, wherever a template carries them."""

import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ultracluster.templates.embedded_json import document
from ultracluster.templates.reading import Key, UndeterminedError, items, key
from ultracluster.templates.resolved import Place, ResolvedResource, Text

Kind = Literal["identity", "trust", "resource"]

IDENTITIES: Final = ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group")
ATTACHED: Final = frozenset(
    {
        "AWS::IAM::GroupPolicy",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::UserPolicy",
        "AWS::SSO::PermissionSet",
    }
)
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
DEEPEST: Final = 6
"""Levels below the properties at which a policy may stand."""


@dataclass(frozen=True)
class Stated:
    """One statement, resolved, and where it is written."""

    place: Place
    kind: Kind
    property: str
    """For example `PolicyDocument.Statement[0]`."""
    body: Mapping[str, Any]
    owners: tuple[Key, ...]
    """Roles, users or groups that have it; resources that it is the policy of."""

    @builtins.property
    def allows(self) -> bool:
        """Whether it allows."""
        return self.body.get("Effect") == "Allow"


def read(resources: Sequence[ResolvedResource]) -> tuple[Stated, ...]:
    """Return every statement of a variant."""
    users = _attached(resources)
    return tuple(stated for r in resources for stated in of(r, users))


def _attached(resources: Sequence[ResolvedResource]) -> Mapping[Key, list[Key]]:
    """Return who names a managed policy of the templates in its own `ManagedPolicyArns`."""
    found: dict[Key, list[Key]] = {}
    for resource in resources:
        if resource.resource_type in IDENTITIES:
            for arn in _items(resource.properties.get("ManagedPolicyArns")):
                for name in _keys(arn):
                    found.setdefault(name, []).append(_own(resource))
    return found


def of(
    resource: ResolvedResource, attached: Mapping[Key, Sequence[Key]] | None = None
) -> Iterator[Stated]:
    """Yield the statements of one resource."""
    if resource.resource_type == "AWS::Lambda::Permission":
        yield Stated(resource.place, "resource", "", _permission(resource), _subjects(resource))
        return
    for path, policy in _documents(resource.properties, (), 0):
        kind: Kind = "resource"
        owners = _subjects(resource)
        if path[0] == TRUST:
            kind = "trust"
        elif resource.resource_type in ATTACHED:
            kind = "identity"
            named = [
                n for h in HOLDERS for v in _items(resource.properties.get(h)) for n in _keys(v)
            ]
            owners = tuple(dict.fromkeys([*named, *(attached or {}).get(_own(resource), ())]))
        elif resource.resource_type in IDENTITIES:
            kind = "identity"
        for index, body in enumerate(_statements(policy)):
            name = ".".join(path).replace(".[", "[")
            yield Stated(resource.place, kind, f"{name}.Statement[{index}]", body, owners)


def _own(resource: ResolvedResource) -> Key:
    return (resource.place.stack, resource.place.logical_id)


def _subjects(resource: ResolvedResource) -> tuple[Key, ...]:
    names = SUBJECTS.get(resource.resource_type)
    if names is None:
        return (_own(resource),)
    return tuple(
        n for name in names for v in _items(resource.properties.get(name)) for n in _keys(v)
    )


def _permission(resource: ResolvedResource) -> Mapping[str, Any]:
    """Return what a permission of a Lambda function says, as a statement."""
    given = resource.properties
    principal = given.get("Principal")
    service = isinstance(principal, Text) or "." in str(principal)
    condition = {
        operator: {name: given[field]}
        for field, operator, name in (
            ("SourceArn", "ArnLike", "aws:SourceArn"),
            ("SourceAccount", "StringEquals", "aws:SourceAccount"),
            ("PrincipalOrgID", "StringEquals ", "aws:PrincipalOrgID"),
        )
        if field in given
    }
    return {
        "Effect": "Allow",
        "Principal": {"Service" if service else "AWS": principal},
        "Action": given.get("Action"),
        "Resource": given.get("FunctionName"),
        **({"Condition": {k.strip(): v for k, v in condition.items()}} if condition else {}),
    }


def _documents(
    value: Any, path: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every policy below a value: a mapping, or JSON in a text, that has statements."""
    if isinstance(value, str | Text) and path:
        start = value if isinstance(value, str) else str(value.parts[0])
        if start.lstrip().startswith("{") and '"Statement"' in _plain(value):
            value = document(value)
    if isinstance(value, Mapping):
        if "Statement" in value and path:
            yield path, value
            return
        if depth < DEEPEST:
            for name, inner in value.items():
                yield from _documents(inner, (*path, str(name)), depth + 1)
    elif isinstance(value, list) and depth < DEEPEST:
        for index, inner in enumerate(value):
            yield from _documents(inner, (*path, f"[{index}]"), depth + 1)


def _plain(value: str | Text) -> str:
    if isinstance(value, str):
        return value
    return "".join(part for part in value.parts if isinstance(part, str))


def _statements(policy: Any) -> Iterator[Mapping[str, Any]]:
    found = policy.get("Statement") if isinstance(policy, Mapping) else None
    for body in found if isinstance(found, list) else [found]:
        if isinstance(body, Mapping):
            yield body


def _items(value: Any) -> list[Any]:
    try:
        return items(value)
    except UndeterminedError:
        return []


def _keys(value: Any) -> Iterator[Key]:
    try:
        yield key(value)
    except UndeterminedError:
        return
