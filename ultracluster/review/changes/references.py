"""References that give the same value: `Ref` of a subnet, and its attribute `SubnetId`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from ultracluster.registry.schemas import any_schema
from ultracluster.templates.resolved import Encoded, Link, ResolvedResource, Text, Variant

OWN: Final[Mapping[str, frozenset[str]]] = {
    # Its identifier is called Id, and CDK and most templates write GroupId for the same value.
    "AWS::EC2::SecurityGroup": frozenset({"GroupId", "Id"})
}
"""Attributes that have the value of `Ref` though the schema has another name for its identifier."""
BY_NAME: Final = "VpcId"
"""Without it a security group is one of the default VPC, and `Ref` gives its name."""

Types = Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]]
"""Type and properties of each resource by stack and logical id."""


def alike(variant: Variant) -> Variant:
    """Return a variant in which every reference to a resource's own identifier is a `Ref`.

    `Ref` gives the primary identifier of a type (CloudFormation CLI guide, resource type schema,
    primaryIdentifier). Where that is several properties, attributes are left as they are.
    """
    types = types_of([variant])

    def written(resource: ResolvedResource) -> ResolvedResource:
        return replace(resource, properties=value_alike(dict(resource.properties), types))

    return replace(variant, resources=tuple(map(written, variant.resources)))


def types_of(variants: Iterable[Variant]) -> Types:
    """Return what must be known of the resources that values refer to."""
    return {
        r.place.key: (r.resource_type, r.properties) for each in variants for r in each.resources
    }


def value_alike(value: Any, types: Types) -> Any:
    """Return a resolved value in which every reference to a resource itself is a `Ref`."""
    if isinstance(value, Link):
        return _own(value, types)
    if isinstance(value, Text):
        return Text(tuple(value_alike(part, types) for part in value.parts))
    if isinstance(value, Encoded):
        return Encoded(value_alike(value.content, types))
    if isinstance(value, dict):
        return {name: value_alike(inner, types) for name, inner in value.items()}
    return [value_alike(item, types) for item in value] if isinstance(value, list) else value


def _own(link: Link, types: Types) -> Link:
    if link.attribute is None:
        return link
    kind, properties = types.get(link.key, ("", {}))
    if kind in OWN and BY_NAME not in properties:
        return link
    if not kind or link.attribute not in _identifiers(kind):
        return link
    return Link(link.stack, link.logical_id)


@cache
def _identifiers(resource_type: str) -> frozenset[str]:
    found = any_schema(resource_type)
    names = found.primary_identifier if found else ()
    return OWN.get(resource_type, frozenset()) | (frozenset(names) if len(names) == 1 else set())
