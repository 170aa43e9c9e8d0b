"""SAFETY rules about values that no resource takes: wrong references, missing properties."""

import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue.values import table
from ultracluster.model.model import Model
from ultracluster.model.policies import Statement
from ultracluster.rules.rule import About, Fault
from ultracluster.rules.subjects import of, resources
from ultracluster.suggestions import did_you_mean
from ultracluster.templates.resolved import Link, ResolvedResource, Text
from ultracluster.templates.resolved_values import UndeterminedError, fields, shown, written
from ultracluster.templates.scope import mapping
from ultracluster.templates.texts import document

TABLE: Final = table("references")
WANTED: Final[Mapping[str, Sequence[str]]] = TABLE["wanted"]
"""Types of what a property refers to, by its name."""
KNOWN: Final = frozenset(TABLE["others"]).union(*WANTED.values())
"""Types of which it is known what they are; a reference to another type is left alone."""
CERTAIN: Final = WANTED.keys() - set(TABLE["ambiguous"])
"""Properties that mean the same wherever they stand: whatever else they refer to is wrong."""
WITH_PRINCIPAL: Final = (
    *("AWS::KMS::Key", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"),
)
ALIASES: Final = ("AWS::CloudFormation::", "AWS::SSM::", "AWS::Serverless::", "AWS::ServiceCatalog")
"""Types whose Ref may be the id of anything."""
KEY_NAME: Final = re.compile(r"(?i)(?:volume|output)?kms(?:master)?key(?:id|arn)?")
KEY_ARN: Final = re.compile(r"arn:[^:]+:kms:([a-z0-9-]+):")


def _referred(value: Any) -> Iterator[Link]:
    for item in value if isinstance(value, list | tuple) else [value]:
        # Text around a reference is judged where what it means is known.
        if isinstance(item, Link):
            yield item


@resources.error(
    "SAFETY-26",
    what="A property refers to a resource of another kind than it takes.",
    why="The resource is refused when it is made, or, worse, later by whoever uses it.",
    source="CloudFormation template reference and registry schemas of 2026-10-20",
    fix="refer to a resource of the type that the message names",
    check="aws cloudformation describe-type --type RESOURCE --type-name <type> --query Schema",
)
def references_of_their_kind(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    if resource.resource_type.partition("::")[0] != "AWS":
        # What a custom resource takes is its own affair.
        return
    for name, value in model.once("fields", resource, lambda: list(fields(resource.properties))):
        for link in _referred(value) if name in WANTED else ():
            found = model.at(link.key)
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
    limits = table("properties")["types"][resource.resource_type].get(kind, {})
    for path, limit in limits.items():
        for way, value in _at(resource.properties, path.split(".") if path else ()):
            yield way, value, limit


@of(*table("properties")["types"]).error(
    "SAFETY-29",
    what="A property that a resource needs is missing, or has a value that it does not take.",
    why="The resource is refused when its turn comes, and everything that was made before it is "
    "rolled back.",
    source="CloudFormation registry schemas of 2026-10-20 (cfn-lint 1.58.0)",
    fix="write the property, or a value of the message",
    check="aws cloudformation describe-type --type RESOURCE --type-name <type> --query Schema",
)
def properties_of_the_registry(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    yield from model.once("registry", resource, lambda: tuple(_against_the_registry(resource)))


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


@About(lambda model: model.statements).error(
    "SAFETY-30",
    what="A statement of a policy lacks a part that it needs.",
    why="IAM, KMS, S3 and SNS refuse the whole policy (MalformedPolicyDocument), and the stack "
    "with it.",
    source="IAM user guide, policy grammar, read 2026-11-27",
    fix="write Effect and Action; Resource in a role's policy, Principal in any other",
    check="aws accessanalyzer validate-policy --policy-type <type> --policy-document file://<policy>",
)
def whole_statements(model: Model, statement: Statement) -> Iterator[Fault]:
    where = model.at(statement.place.key)
    if statement.kind == "resource" and (
        where is None or where.resource_type not in WITH_PRINCIPAL
    ):
        return
    body = statement.body
    aim = "Resource" if statement.kind == "identity" else "Principal"
    missing = [name for name in ("Action", aim) if not {name, f"Not{name}"} & set(body)]
    if isinstance(body.get("Effect"), str | None) and body.get("Effect") not in ("Allow", "Deny"):
        missing.insert(0, "Effect Allow or Deny")
    if missing:
        yield Fault(f"{statement.path} has no {' and no '.join(missing)}")


@resources.error(
    "SAFETY-27",
    what="A key is of another Region than the resource that it encrypts.",
    why="Keys are regional: the resource is refused, or cannot be read.",
    source="KMS developer guide, multi-Region keys; FSx API reference, KmsKeyId; read 2026-11-27",
    fix="write a key of the Region, or the replica there of a multi-Region key",
    check="aws kms describe-key --key-id <key> --region <region>",
)
def keys_of_the_region(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    for name, value in model.once("fields", resource, lambda: list(fields(resource.properties))):
        if not KEY_NAME.fullmatch(name) or not isinstance(value, str | Text):
            continue
        found = KEY_ARN.match(written(value))
        if found is None:
            continue
        if model.region is None:
            raise UndeterminedError(f"the Region is not given, {name} is of {found[1]}")
        if found[1] != model.region:
            yield Fault(f"{name} is of {found[1]}, the stack of {model.region}")
