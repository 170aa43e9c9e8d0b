"""The model of resolved templates that rules and review read, built from a variant.

Building it reads no value that may be unknown. Its parts, here and in the other modules of this
folder, are read when a rule needs them. They raise `UndeterminedError` with the reason if a value
is not known before a deployment or is not in the given templates.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, Final, TypeVar

from ultracluster.model.job_environments import JobEnvironment, read_environments
from ultracluster.model.jobs import (
    HyperPodGroup,
    TrainingJob,
    read_hyperpod_groups,
    read_training_jobs,
)
from ultracluster.model.networks import Networks, Subnet, read_networks
from ultracluster.model.nodes import Node, read_nodes, read_nodes_without_template
from ultracluster.model.policies import (
    ROLE,
    Identity,
    Owned,
    Statement,
    by_owner,
    read_identities,
    read_statements,
    statements_of,
)
from ultracluster.model.resource import Stack, index
from ultracluster.model.security_groups import SecurityGroup, SecurityGroups, read_groups
from ultracluster.model.storage import (
    Associations,
    FileSystem,
    holds_data,
    read_associated,
    read_file_systems,
)
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource, Variant
from ultracluster.templates.resolved_values import Key, UndeterminedError
from ultracluster.templates.scope import mapping

T = TypeVar("T")

PCS_GROUP: Final = "AWS::PCS::ComputeNodeGroup"
IN_ARN: Final = re.compile(r"\barn:[^:\s]*:[a-z0-9-]+:([a-z]{2}(?:-[a-z]+)+-\d):")
"""The Region of an ARN, a mark in place of its partition."""


def named(node: Node) -> set[Key]:
    """Return the keys of resources that a node's user data refers to; none if not known."""
    try:
        return {to.key for to in read.links(read.part(node.launch, "UserData"))}
    except UndeterminedError:
        return set()


def _numbered_roles(model: "Model") -> dict[Key, tuple[int, Identity]]:
    return {role.key: (number, role) for number, role in enumerate(model.roles)}


@dataclass(frozen=True)
class Model:
    """What the templates define together, in one variant."""

    variant: Variant
    kept: dict[tuple[str, int], Any] = field(default_factory=dict, repr=False, compare=False)
    """Cached results of `once`. Variants share equal values, and the models of one audit share this
    cache."""
    _made: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)
    _waited: dict[Key, set[Key]] = field(default_factory=dict, repr=False, compare=False)

    def once(self, name: str, value: object, make: Callable[[], T]) -> T:
        """Return the cached result of a computation on a value that variants share."""
        found: T
        place = (name, id(value))
        if place not in self.kept:
            # The value is kept as well: another one must not get its identity.
            self.kept[place] = (value, make())
        found = self.kept[place][1]
        return found

    def cached(self, make: Callable[["Model"], T]) -> T:
        """Return the cached result of a function of the whole model, mostly an index.

        The function raises no `UndeterminedError`: what it cannot tell is a part of its result.
        """
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found

    @property
    def resources(self) -> Sequence[ResolvedResource]:
        return self.variant.resources

    @cached_property
    def _by_key(self) -> dict[Key, ResolvedResource]:
        return {r.place.key: r for r in self.resources}

    @cached_property
    def _by_type(self) -> dict[str, list[ResolvedResource]]:
        found: dict[str, list[ResolvedResource]] = {}
        for resource in self.resources:
            found.setdefault(resource.resource_type, []).append(resource)
        return found

    def of(self, *kinds: str) -> Iterator[ResolvedResource]:
        for kind in kinds:
            yield from self._by_type.get(kind, ())

    def at(self, key: Key) -> ResolvedResource | None:
        return self._by_key.get(key)

    def find(self, value: object, *kinds: str) -> ResolvedResource | None:
        """Return the resource that a value refers to; None if it has none of these types."""
        resource = self._by_key.get(read.key(value))
        return resource if resource and resource.resource_type in kinds else None

    def get(self, value: object, *kinds: str) -> ResolvedResource:
        """Return the resource that a value refers to."""
        resource = self.find(value, *kinds)
        if resource is None:
            raise read.not_given(read.key(value), "")
        return resource

    @cached_property
    def groups(self) -> SecurityGroups:
        """Security groups and their rules."""
        return read_groups(self.resources)

    @property
    def security_groups(self) -> Sequence[SecurityGroup]:
        return tuple(self.groups.known.values())

    @cached_property
    def nodes(self) -> Sequence[Node]:
        """Launch templates and instances, each with the resource that launches it."""
        return read_nodes(self.resources)

    @cached_property
    def nodes_without_template(self) -> Sequence[Node]:
        """Nodes without a launch template in the given templates; rules cannot check them."""
        return tuple(read_nodes_without_template(self.resources, self.nodes))

    @cached_property
    def networks(self) -> Networks:
        """VPCs and what is in them."""
        return read_networks(self._by_type)

    @property
    def subnets(self) -> Sequence[Subnet]:
        return tuple(self.networks.subnets.values())

    @cached_property
    def file_systems(self) -> Sequence[FileSystem]:
        """Lustre file systems with their associations."""
        return read_file_systems(self.resources)

    @cached_property
    def associations(self) -> Sequence[Associations]:
        """Data repository associations by their file system, wherever that is."""
        return tuple(read_associated(self.resources, self.file_systems))

    @cached_property
    def training_jobs(self) -> Sequence[TrainingJob]:
        """SageMaker training jobs, also those that a state machine starts."""
        return read_training_jobs(self.resources)

    @cached_property
    def hyperpod_groups(self) -> Sequence[HyperPodGroup]:
        """Instance groups of HyperPod clusters."""
        return read_hyperpod_groups(self.resources)

    @cached_property
    def environments(self) -> Sequence[JobEnvironment]:
        """Environments of jobs, containers and nodes."""
        return read_environments(self.resources, self.training_jobs, self.nodes)

    @cached_property
    def statements(self) -> Sequence[Statement]:
        """Every statement of every policy."""

        def of_resource(resource: ResolvedResource) -> Sequence[Statement]:
            return self.once("statements", resource, lambda: tuple(statements_of(resource)))

        return tuple(read_statements(self.resources, of_resource))

    @cached_property
    def statements_by_owner(self) -> Owned:
        """Statements by kind and owner."""
        return by_owner(self.statements)

    @cached_property
    def identities(self) -> Sequence[Identity]:
        """Roles, users and groups with the statements of their policies."""
        return read_identities(self.resources, self.statements_by_owner)

    @cached_property
    def roles(self) -> Sequence[Identity]:
        return tuple(one for one in self.identities if one.resource.resource_type == ROLE)

    def roles_named(self, names: Iterable[Key]) -> list[Identity]:
        """Return the roles of some references, in the order of the templates."""
        known = self.cached(_numbered_roles)
        found = (known[name] for name in set(names) if name in known)
        return [role for _, role in sorted(found, key=itemgetter(0))]

    @cached_property
    def stateful(self) -> Sequence[ResolvedResource]:
        """Resources whose deletion loses data."""
        return tuple(r for r in self.resources if holds_data(r))

    @cached_property
    def stacks(self) -> Sequence[Stack]:
        """The templates, each at the place of its first resource."""
        found: dict[str, list[ResolvedResource]] = {}
        for resource in self.resources:
            found.setdefault(resource.place.stack, []).append(resource)
        return tuple(
            Stack(members[0].place, tuple(members), self.variant.templates.get(name))
            for name, members in found.items()
        )

    @cached_property
    def region(self) -> str | None:
        """Region of the templates: as given, or the one that most ARNs name."""
        if isinstance(self.variant.region, str):
            return self.variant.region
        named = Counter(m[1] for r in self.resources for m in IN_ARN.finditer(self.words(r)))
        (first, count), (_, next_count) = [*named.most_common(2), ("", 0), ("", 0)][:2]
        return first if count > next_count else None

    def words(self, resource: ResolvedResource) -> str:
        """Return all strings of a resource, one per line, to search them."""
        return self.once(
            "words", resource, lambda: "\n".join(read.texts_within(dict(resource.properties)))
        )

    @cached_property
    def clients(self) -> Mapping[Key, Sequence[Node]]:
        """Nodes by the resources in their user data, such as a mounted file system."""
        links = partial(self.once, "links")
        return index(self.nodes, lambda node: links(node.launch, lambda: named(node))).found

    @cached_property
    def roles_of_nodes(self) -> frozenset[Key]:
        """Roles that accelerated nodes and Batch jobs run with, as far as that is known."""
        stated = [r.properties.get("IamInstanceProfileArn") for r in self.of(PCS_GROUP)]
        stated += [r.properties.get("NodeRole") for r in self.of("AWS::EKS::Nodegroup")]
        for environment in self.of("AWS::Batch::ComputeEnvironment"):
            stated.append(
                mapping(environment.properties.get("ComputeResources")).get("InstanceRole")
            )
        for node in self.nodes:
            with suppress(UndeterminedError):
                if node.efa_interfaces() or node.instance_types():
                    stated.append(node.profile())
        found: set[Key] = set()
        for profile in stated:
            with suppress(UndeterminedError):
                made = self.find(profile, "AWS::IAM::InstanceProfile")
                found.update(read.keys(made.properties, "Roles") if made else [read.key(profile)])
        for job in self.of("AWS::Batch::JobDefinition"):
            found.update(link.key for link in read.links(job.properties))
        return frozenset(found)

    @cached_property
    def users(self) -> Mapping[tuple[str, str], Sequence[ResolvedResource]]:
        """Resources by what they refer to."""
        found: dict[tuple[str, str], dict[Key, ResolvedResource]] = {}
        for resource in self.resources:
            for link in read.links(resource.properties):
                found.setdefault(link.key, {})[resource.place.key] = resource
        return {target: tuple(users.values()) for target, users in found.items()}

    def dependencies(self, name: Key) -> set[Key]:
        """Return everything of its own stack that a resource waits for, directly or not."""
        if name in self._waited:
            return self._waited[name]
        seen: set[Key] = set()
        waiting = [name]
        while waiting:
            resource = self._by_key.get(waiting.pop())
            if resource is None:
                continue
            for other in resource.depends_on:
                found = (resource.place.stack, other)
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
        self._waited[name] = seen
        return seen
