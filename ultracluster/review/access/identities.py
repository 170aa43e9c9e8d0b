"""Roles, users and groups of the templates, with everything that their policies allow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ultracluster.review.access.grants import Claim, Cover, Grant, claim, grants, listed, token
from ultracluster.review.access.policies import IDENTITIES, Stated
from ultracluster.templates.reading import Key, UndeterminedError, key
from ultracluster.templates.resolved import ResolvedResource

ADMINISTRATOR: Final = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")
"""AWS's policies that allow more than a template shows."""


@dataclass(frozen=True, eq=False)
class Identity:
    """One role, user or group."""

    resource: ResolvedResource
    stated: tuple[Stated, ...]
    """Statements of its identity policies."""
    trust: tuple[Stated, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What references to it lead to."""
        return (self.resource.place.stack, self.resource.place.logical_id)

    @property
    def marker(self) -> str:
        """How texts refer to it: see `grants.token`."""
        return f"<{self.key[0]}/{self.key[1]}"

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Everything that its policies say, by statement."""
        return tuple(claim(stated.body) for stated in self.stated)

    @cached_property
    def grants(self) -> tuple[Grant, ...]:
        """Everything that its policies say."""
        return tuple(g for each in self.claims for g in each.grants())

    @cached_property
    def allowed(self) -> tuple[Grant, ...]:
        """What its policies allow."""
        return tuple(g for g in self.grants if g.effect == "Allow")

    @cached_property
    def denied(self) -> Cover:
        """What its policies deny whatever the circumstances."""
        return Cover(c for c in self.claims if c.effect == "Deny" and not c.conditions)

    @property
    def managed(self) -> tuple[str, ...]:
        """AWS's and other policies whose statements the templates do not hold."""
        arns = listed(self.resource.properties.get("ManagedPolicyArns"))
        return tuple(t for t in map(token, arns) if not t.startswith("<") or "policy/" in t)

    def trusts(self, service: str) -> bool:
        """Whether a service may take it."""
        return any(
            grant.effect == "Allow" and grant.principal == f"Service:{service}"
            for stated in self.trust
            for grant in grants(stated.body)
        )


def read_identities(
    resources: Sequence[ResolvedResource], statements: Sequence[Stated]
) -> tuple[Identity, ...]:
    """Return every role, user and group of a variant."""
    owned: dict[Key, list[Stated]] = {}
    trust: dict[Key, list[Stated]] = {}
    for stated in statements:
        if stated.kind == "identity":
            for owner in stated.owners:
                owned.setdefault(owner, []).append(stated)
        elif stated.kind == "trust":
            trust.setdefault((stated.place.stack, stated.place.logical_id), []).append(stated)
    return tuple(
        Identity(
            resource,
            tuple(owned.get(name, ())),
            tuple(trust.get(name, ())),
        )
        for resource in resources
        if resource.resource_type in IDENTITIES
        for name in [(resource.place.stack, resource.place.logical_id)]
    )


def roles_of(
    resources: Sequence[ResolvedResource], identities: Sequence[Identity], target: str
) -> Iterator[tuple[ResolvedResource, Identity]]:
    """Yield what runs in a role of the templates, with the role."""
    by_key: Mapping[Key, Identity] = {identity.key: identity for identity in identities}
    profiles = {
        (r.place.stack, r.place.logical_id): r
        for r in resources
        if r.resource_type == "AWS::IAM::InstanceProfile"
    }
    for resource in resources:
        if resource.resource_type != target:
            continue
        for value in _role_values(resource, profiles):
            try:
                found = by_key.get(key(value))
            except UndeterminedError:
                continue
            if found:
                yield resource, found


def _role_values(
    resource: ResolvedResource, profiles: Mapping[Any, ResolvedResource]
) -> Iterator[Any]:
    for name in ("Role", "RoleArn", "ExecutionRoleArn"):
        if name in resource.properties:
            yield resource.properties[name]
    launch = resource.properties.get("LaunchTemplateData")
    profile = launch.get("IamInstanceProfile") if isinstance(launch, Mapping) else None
    for value in profile.values() if isinstance(profile, Mapping) else ():
        try:
            found = profiles.get(key(value))
        except UndeterminedError:
            continue
        if found:
            yield from listed(found.properties.get("Roles"))
