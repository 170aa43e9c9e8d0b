"""Exceptions to rules, stated beside what they excuse."""

from collections.abc import Mapping
from typing import Any, Final

import aws_cdk as cdk
from constructs import IConstruct

MARK: Final = "${Token["
"""How CDK writes a token into a text."""


def acknowledge(construct: IConstruct, exceptions: Mapping[str, str]) -> None:
    """Acknowledge findings at one construct.

    Args:
        construct: the construct that has the findings, never a stack or a stage.
        exceptions: reason by qualified rule id, for example
            `AwsSolutions::AwsSolutions-IAM5[Resource::*]`. A bare id silences without a trace in
            the report (cdk-nag 3.0.2).
    """
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in exceptions.items())
    )


def acknowledge_wildcards(construct: IConstruct, exceptions: Mapping[str, str]) -> None:
    """Acknowledge resources with a wildcard in the policies of one construct.

    Args:
        construct: the construct that has the policy.
        exceptions: reason by resource, as the policy has it (an ARN that may hold tokens).
    """
    acknowledge(
        construct,
        {
            f"AwsSolutions::AwsSolutions-IAM5[Resource::{reported(construct, resource)}]": reason
            for resource, reason in exceptions.items()
        },
    )


def reported(construct: IConstruct, value: str) -> str:
    """Return a value as cdk-nag writes it into the id of a finding.

    References become `<LogicalId.Attribute>`, and the name of the export where they lead to
    another stack.
    """
    if MARK not in value:  # no question to Node where there is nothing to resolve
        return value
    stack = cdk.Stack.of(construct)
    text = ""
    for part in _parts(value):
        if isinstance(part, cdk.Reference) and cdk.Stack.of(part.target) is not stack:
            exported = cdk.Stack.of(part.target).export_value(part.to_string())
            text += _flat(stack.resolve(exported))
        else:
            text += _flat(stack.resolve(part))
    return text


def _parts(value: str) -> list[Any]:
    """Return the texts and tokens that a value is made of."""
    fragments = cdk.Tokenization.reverse_string(value)
    parts: list[Any] = []
    rest = value
    for token in fragments.tokens:
        before, _, rest = rest.partition(token.to_string())
        parts += [before, token]
    return [*parts, rest]


def _flat(value: Any) -> str:
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return str(name)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flat(part) for part in parts)
        case _:
            return str(value)
