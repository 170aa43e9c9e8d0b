"""CloudFormation's table of resource types, with this project's entries and checks.

Every type of the registry gets an entry. Each entry, MiniStack's own included, then checks the
properties against the registry, raises injected faults, completes `Fn::GetAtt`, and notes in the
journal what stands behind the type.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from ultracluster.emulator import schema_only
from ultracluster.emulator.faults import Faults, InjectedFaultError
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, Provisioner, Resource
from ultracluster.emulator.schema_only import SchemaOnly, completed
from ultracluster.registry import schemas as registry

Properties = Mapping[str, Any]
Answer = tuple[str, dict[str, Any]]

SYSTEM_TAG: Final = "aws:cloudformation:"
CLOUDFORMATION_ITSELF: Final = "AWS::CloudFormation::"
SAME_NAMED_ATTRIBUTES: Final = {
    # Attributes that the resource references document although the registry lists the property
    # as one that can be written (AWS::EC2::VPC and AWS::EC2::Subnet, "Return values").
    "AWS::EC2::VPC": ("CidrBlock",),
    "AWS::EC2::Subnet": ("AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"),
    "AWS::EC2::SecurityGroup": ("GroupId", "VpcId"),
}


@dataclass
class Journal:
    """The server's running record, from which reports are made; each thing is noted once."""

    schema_only: dict[str, None] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)


class Table:
    """Builds CloudFormation's table of resource types."""

    def __init__(self, faults: Faults, journal: Journal) -> None:
        self._faults = faults
        self._journal = journal

    def install(self, entries: Mapping[str, Provisioner], otherwise: SchemaOnly) -> None:
        """Put our entries, MiniStack's and the schema-only ones under the same checks."""
        table = internals.provisioners._RESOURCE_HANDLERS
        for type_name in registry.all_types() - set(table) - set(entries):
            # Reading 1,500 schemas takes seconds: such a type is registered when first created.
            table[type_name] = self._checked(type_name, otherwise)
        for type_name, entry in entries.items():
            table[type_name] = self._checked(type_name, entry)
            register(type_name)
        for type_name, handler in list(table.items()):
            own = type_name in registry.all_types() and {"create", "delete"} <= set(handler)
            ours = type_name in entries or "delete_with_logical_id" in handler
            if ours or not own or type_name.startswith(CLOUDFORMATION_ITSELF):
                continue
            checked = self._checked(type_name, Existing(handler))
            if "update" not in handler:
                # MiniStack then creates anew, except where nothing but tags changed.
                del checked["update"], checked["update_with_logical_id"]
            table[type_name] = {**handler, **checked}

    def _checked(self, type_name: str, entry: Provisioner) -> dict[str, Any]:
        def create(logical_id: str, properties: Properties, stack_name: str) -> Answer:
            order = _order(type_name, logical_id, properties, stack_name)
            if isinstance(entry, SchemaOnly):
                register(type_name)
            with self._failing(order, "create", lambda: entry.create(order)):
                resource = entry.create(order)
            if isinstance(entry, SchemaOnly):
                self._journal.schema_only[type_name] = None
            return _answer(order, resource)

        def update(
            physical_id: str,
            old: Properties,
            new: Properties,
            stack_name: str,
            logical_id: str | None = None,
        ) -> Answer:
            order = _order(type_name, logical_id or physical_id, new, stack_name, old)
            with self._failing(order, "update", lambda: entry.update(physical_id, order)):
                # A nested create-only property changed; the engine itself sees only outer ones.
                own = not isinstance(entry, Existing)
                where = (order.previous, order.properties, order.scope.region)
                if own and registry.replaced_by(type_name, *where):
                    answer: Answer = internals.provisioners._replace_resource(
                        type_name, physical_id, old, new, stack_name, logical_id
                    )
                    return answer
                return _answer(order, entry.update(physical_id, order))

        def delete(physical_id: str, properties: Properties, logical_id: str | None = None) -> None:
            order = _order(type_name, logical_id or physical_id, properties, "")
            entry.delete(physical_id, order)

        return {
            "create": create,
            "update": update,
            "update_with_logical_id": True,
            "delete": delete,
            "delete_with_logical_id": True,
        }

    @contextmanager
    def _failing(self, order: Order, operation: str, act: Callable[[], object]) -> Iterator[None]:
        """Do something to a resource, unless a fault or the registry forbids it.

        A fault that says so comes after the deed: nobody then knows what was made.
        """
        status = stack_status(order.stack_name)
        try:
            self._faults.check(order.type_name, operation, order.logical_id, status)
        except InjectedFaultError as error:
            if error.made:
                act()
            raise
        own = _without_system_tags(order.properties)
        problems = schema_only.problems(order.type_name, own, order.scope.region)
        if problems:
            raise ValueError(
                f"Properties validation failed for resource {order.logical_id} with message: "
                + "; ".join(problems)
            )
        yield


class Existing:
    """A handler of MiniStack's own, seen as a provisioner."""

    def __init__(self, handler: Mapping[str, Any]) -> None:
        self._handler = dict(handler)

    def create(self, order: Order) -> Resource:
        given = (order.logical_id, dict(order.properties), order.stack_name)
        return Resource(*self._handler["create"](*given))

    def update(self, physical_id: str, order: Order) -> Resource:
        update: Callable[..., Answer] = self._handler["update"]
        arguments = [physical_id, dict(order.previous), dict(order.properties), order.stack_name]
        if self._handler.get("update_with_logical_id"):
            arguments.append(order.logical_id)
        return Resource(*update(*arguments))

    def delete(self, physical_id: str, order: Order) -> None:
        arguments: list[Any] = [physical_id, dict(order.properties)]
        if self._handler.get("delete_with_logical_id"):
            arguments.append(order.logical_id)
        self._handler["delete"](*arguments)


def _answer(order: Order, resource: Resource) -> Answer:
    schema = registry.schema(order.type_name, order.scope.region)
    attributes = dict(resource.attributes)
    for name in SAME_NAMED_ATTRIBUTES.get(order.type_name, ()):
        if name in order.properties:
            attributes.setdefault(name, order.properties[name])
    if schema is not None:
        attributes = completed(schema, order, resource.physical_id, attributes)
    return resource.physical_id, attributes


@cache
def register(type_name: str) -> None:
    """Tell MiniStack which properties replace a type, name it and tag it."""
    schema = registry.any_schema(type_name)
    if schema is None or type_name.startswith(CLOUDFORMATION_ITSELF):
        return
    provisioners = internals.provisioners
    outer = tuple(path[0] for path in schema.create_only if len(path) == 1)
    nested = tuple(sorted({path[0] for path in schema.create_only if len(path) > 1} - set(outer)))
    provisioners._REPLACING_PROPERTIES[type_name] = outer
    if nested:
        provisioners._CONDITIONALLY_REPLACING_PROPERTIES[type_name] = nested
    if schema.custom_name:
        provisioners._CUSTOM_NAME_REPLACEMENT[type_name] = {"name": schema.custom_name}
    if schema.tags:
        provisioners._STACK_TAG_PROPERTY[type_name] = schema.tags


def stack_status(name: str) -> str:
    """Return the status of a stack, empty where there is none."""
    return str((internals.cloudformation._stacks.get(name) or {}).get("StackStatus", ""))


def _order(
    type_name: str,
    logical_id: str,
    properties: Properties,
    stack_name: str,
    old: Properties | None = None,
) -> Order:
    scope = internals.current_scope()
    name: str = internals.provisioners._physical_name(stack_name, logical_id)
    coerced = schema_only.coerced(type_name, properties, scope.region)
    if type_name == "AWS::AutoScaling::AutoScalingGroup":
        coerced |= {"Tags": _propagated(coerced.get("Tags") or [], stack_name)}
    previous = schema_only.coerced(type_name, old or {}, scope.region)
    return Order(type_name, scope, stack_name, logical_id, coerced, name, previous)


def _propagated(tags: Sequence[Mapping[str, Any]], stack_name: str) -> list[dict[str, Any]]:
    """Return tags of a group with those of its stack as CloudFormation gives them to instances.

    What a template writes needs PropagateAtLaunch; a stack's tags have none.
    """
    stack = internals.cloudformation._stacks.get(stack_name) or {}
    of_stack = {tag["Key"] for tag in stack.get("Tags") or ()}
    return [
        {"PropagateAtLaunch": True, **tag}
        if tag["Key"] in of_stack or tag["Key"].startswith(SYSTEM_TAG)
        else dict(tag)
        for tag in tags
    ]


def _without_system_tags(properties: Properties) -> dict[str, Any]:
    """Leave out the tags that CloudFormation adds itself: the registry's patterns forbid `aws:`."""
    own = {
        name: _own_tags(value) if name.endswith("Tags") else value
        for name, value in properties.items()
    }
    # A property that holds nothing but system tags was not in the template.
    return {name: value for name, value in own.items() if value or not properties[name]}


def _own_tags(value: Any) -> Any:
    if isinstance(value, list):
        keys = [str(tag.get("Key")) if isinstance(tag, Mapping) else "" for tag in value]
        return [t for t, key in zip(value, keys, strict=True) if not key.startswith(SYSTEM_TAG)]
    if isinstance(value, Mapping):
        return {key: item for key, item in value.items() if not key.startswith(SYSTEM_TAG)}
    return value
