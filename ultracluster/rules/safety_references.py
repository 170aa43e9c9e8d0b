"""SAFETY rules about values that resources refuse, and templates that CloudFormation refuses."""

import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue.values import table
from ultracluster.model.model import Model
from ultracluster.model.policies import listed
from ultracluster.model.resource import Stack
from ultracluster.rules.rule import About, Fault, resources
from ultracluster.suggestions import did_you_mean
from ultracluster.templates.resolved import Link, ResolvedResource, Text
from ultracluster.templates.resolved_values import UndeterminedError, fields, items, shown, written
from ultracluster.templates.scope import mapping
from ultracluster.templates.texts import document

TABLE: Final = table("references")
WANTED: Final[Mapping[str, Sequence[str]]] = TABLE["wanted"]
"""Types of what a property refers to, by its name."""
KNOWN: Final = frozenset(TABLE["others"]).union(*WANTED.values())
"""Types of which it is known what they are; a reference to another type is left alone."""
CERTAIN: Final = WANTED.keys() - set(TABLE["ambiguous"])
"""Properties that mean the same wherever they stand: whatever else they refer to is wrong."""
LIMITED: Final = table("properties")["types"]
"""What the registry says of the properties of some types."""
ALIASES: Final = ("AWS::CloudFormation::", "AWS::SSM::", "AWS::Serverless::", "AWS::ServiceCatalog")
"""Types whose Ref may be the id of anything."""
KEY_NAME: Final = re.compile(r"(?i)(?:volume|output)?kms(?:master)?key(?:id|arn)?")
KEY_ARN: Final = re.compile(r"arn:[^:]+:kms:([a-z0-9-]+):")
MOST_RESOURCES: Final = 500
MOST_OF_A_SECTION: Final = 200
MOST_BYTES: Final = 1024 * 1024
SECTIONS: Final = ("Parameters", "Outputs", "Mappings")
AWS: Final = "AWS::"
"""How the names of AWS's own transforms begin."""


def _of_another_kind(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    if resource.resource_type.partition("::")[0] != "AWS":
        # What a custom resource takes is its own affair.
        return
    for name, value in model.once("fields", resource, lambda: list(fields(resource.properties))):
        for link in listed(value) if name in WANTED else ():
            # Text around a reference is judged where what it means is known.
            found = model.at(link.key) if isinstance(link, Link) else None
            if found and _is_wrong(name, link, found.resource_type):
                yield Fault(
                    f"{name} refers to {link.logical_id}, which is {found.resource_type} and no "
                    f"{WANTED[name][0]}"
                )


def _is_wrong(name: str, link: Link, kind: str) -> bool:
    if kind in WANTED[name] or not kind.startswith("AWS::") or kind.startswith(ALIASES):
        return False
    if link.attribute in (None, "Arn", "Id"):
        return name in CERTAIN or kind in KNOWN
    # An attribute may be the id of something that the resource made, and then says so.
    words = re.findall("[A-Z][a-z]+", WANTED[name][0].rpartition("::")[2].replace("VPC", "Vpc"))
    return name in CERTAIN and not any(word in str(link.attribute) for word in words)


def _at(value: Any, path: Sequence[str], way: str = "") -> Iterator[tuple[str, Any]]:
    """Yield place and value of everything that is at a path, for `*` every item of a list."""
    if not path:
        yield way, value
    elif path[0] == "*":
        for index, item in enumerate(value if isinstance(value, list) else []):
            yield from _at(item, path[1:], f"{way}[{index}]")
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:], f"{way}.{path[0]}".lstrip("."))


def _limited(resource: ResolvedResource, kind: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield place, value and limit of what a type limits in some way."""
    limits = LIMITED[resource.resource_type].get(kind, {})
    for path, limit in limits.items():
        for way, value in _at(resource.properties, path.split(".") if path else ()):
            yield way, value, limit


def _against_the_registry(resource: ResolvedResource) -> Iterator[Fault]:
    for way, value, needed in _limited(resource, "needs"):
        missing = [name for name in needed if isinstance(value, Mapping) and name not in value]
        if missing:
            yield Fault(f"{way or 'it'} has no {', '.join(missing)}")
    for way, value, alternatives in _limited(resource, "any"):
        for names in alternatives if isinstance(value, Mapping) else ():
            if not any(name in value for name in names):
                yield Fault(f"{way or 'it'} has none of {', '.join(names)}")
    yield from _wrong_values(resource)
    stated = resource.properties
    given = mapping(stated.get("DefinitionSubstitutions"))
    for name, value in fields(document(stated.get("DefinitionString"), given)):
        if name == "Resource" and "${" in written(value):
            yield Fault(f"DefinitionString has {written(value)}, and no substitution for it")


def _wrong_values(resource: ResolvedResource) -> Iterator[Fault]:
    for way, value, taken in _limited(resource, "values"):
        # What is not near to anything may be newer than the table.
        near = did_you_mean(value, taken) if isinstance(value, str) and value not in taken else ""
        if near:
            yield Fault(f"{way} is {shown(value)}{near}", fix=f"write one of {', '.join(taken)}")
    for kind, beyond in (("from", operator.lt), ("to", operator.gt)):
        for way, value, limit in _limited(resource, kind):
            if isinstance(value, int | float) and beyond(value, limit):
                yield Fault(f"{way} is {value}, which goes {kind} {limit}")


def _not_of_the_registry(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    if resource.resource_type in LIMITED:
        yield from model.once("registry", resource, lambda: tuple(_against_the_registry(resource)))


def _of_another_region(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    for name, value in model.once("fields", resource, lambda: list(fields(resource.properties))):
        if not KEY_NAME.fullmatch(name) or not isinstance(value, str | Text):
            continue
        found = KEY_ARN.match(written(value))
        if found is None:
            continue
        if model.region is None:
            raise UndeterminedError(f"the Region is not given, {name} is of {found[1]}")
        if found[1] != model.region:
            yield Fault(
                f"{name} is of {found[1]}, the stack of {model.region}",
                fix="write a key of the Region, or the replica there of a multi-Region key",
            )


properties_that_are_taken = resources.error(
    "SAFETY-26",
    what="A property is missing, or its value, reference or key is not allowed.",
    why="The resource is refused when its turn comes, and everything before it is rolled back, or, "
    "worse, later by whoever uses it.",
    source="CloudFormation template reference and registry schemas of 2026-10-20 (cfn-lint "
    "1.58.0); KMS developer guide, multi-Region keys, read 2026-11-27",
    fix="write what the message names",
    check="aws cloudformation describe-type --type RESOURCE --type-name <type> --query Schema",
)(_of_another_kind, _not_of_the_registry, _of_another_region)


@About(lambda model: model.stacks).fatal(
    "SAFETY-5",
    what="A template is larger than CloudFormation's limits, or one of its resources has no type.",
    why="500 resources, 200 parameters, outputs and mappings, and 1 MB are fixed limits, and every "
    "resource has a Type such as AWS::EC2::VPC; the template is refused.",
    source="CloudFormation quotas, read 2026-11-23; template anatomy, Resources, read 2026-11-27",
    fix="split the template into stacks that are deployed together; write the Type",
    check="aws cloudformation validate-template --template-body file://<template>",
)
def template_within_quotas(_model: Model, stack: Stack) -> Iterator[Fault]:
    if (count := len(stack.resources)) > MOST_RESOURCES:
        yield Fault(f"{count} resources in {stack.place.stack}")
    if stack.template is None:
        return
    for name in SECTIONS:
        section = stack.template.body.get(name)
        if isinstance(section, dict) and len(section) > MOST_OF_A_SECTION:
            yield Fault(f"{len(section)} {name} in {stack.place.stack}")
    if stack.template.size is not None and stack.template.size > MOST_BYTES:
        yield Fault(f"{stack.template.size:,} bytes in {stack.place.stack}")
    yield from _without_type(stack.template.body, stack.resources)


def _without_type(body: Mapping[str, Any], found: Sequence[ResolvedResource]) -> Iterator[Fault]:
    """Yield a fault for each resource that CloudFormation could not make for want of a type."""
    untyped = [r for r in found if "::" not in r.resource_type]
    if not untyped:
        return
    transforms = items(body, "Transform")
    if "Fn::Transform" in body["Resources"] or not all(str(t).startswith(AWS) for t in transforms):
        raise UndeterminedError("a macro may write the Type of a resource")
    for resource in untyped:
        stated = mapping(body["Resources"].get(resource.place.logical_id)).get("Type")
        said = "no Type" if stated is None else f"Type {shown(stated)}, which is none"
        yield Fault(f"{resource.place.logical_id} has {said}", "write its Type", resource.place)
