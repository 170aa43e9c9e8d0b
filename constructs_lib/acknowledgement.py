"""Acknowledgements of findings, beside the construct that has the finding."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import aws_cdk as cdk
import jsii
from constructs import IConstruct, IValidation

TOKEN: Final = re.compile(r"\$\{Token\[[^\]]*\]\}")
"""How CDK writes a token into a text."""


def acknowledge(construct: IConstruct, exceptions: Mapping[str, str]) -> None:
    """Acknowledge findings at one construct.

    Args:
        construct: the construct that has the findings, never a stack or a stage.
        exceptions: the reason by qualified rule id, for example
            `AwsSolutions::AwsSolutions-IAM5[Resource::*]`. An id without the brackets removes the
            finding from cdk-nag's report (cdk-nag 3.0.2).
    """
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in exceptions.items())
    )


def acknowledge_wildcards(construct: IConstruct, exceptions: Mapping[str, str]) -> None:
    """Acknowledge resources with a wildcard in the policies of one construct.

    Args:
        construct: the construct that has the policy.
        exceptions: the reason by resource, as the policy writes it: an ARN, which may contain
            tokens.
    """
    construct.node.add_validation(_Wildcards(construct, exceptions))


@jsii.implements(IValidation)
class _Wildcards:
    """Acknowledges when CDK validates, because the ids of findings contain resolved references.

    CDK chooses the names of exports, of nested stacks' parameters and of weak references.
    """

    def __init__(self, construct: IConstruct, exceptions: Mapping[str, str]) -> None:
        self._construct, self._left = construct, dict(exceptions)

    def validate(self) -> list[str]:
        """Acknowledge all findings; further calls do nothing."""
        stack = cdk.Stack.of(self._construct)
        acknowledge(
            self._construct,
            {
                f"AwsSolutions::AwsSolutions-IAM5[Resource::{reported(stack, resource)}]": reason
                for resource, reason in self._left.items()
            },
        )
        self._left.clear()
        return []


def reported(stack: cdk.Stack, value: str) -> str:
    """Return a value as cdk-nag writes it into the id of a finding.

    A reference becomes `<LogicalId.Attribute>`, or the name of an export of another stack.
    """
    if not TOKEN.search(value):  # resolving asks Node, which takes time
        return value
    texts = TOKEN.split(value)
    tokens = cdk.Tokenization.reverse_string(value).tokens
    return texts[0] + "".join(
        _flat(stack.resolve(token)) + text for token, text in zip(tokens, texts[1:], strict=True)
    )


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
        case dict():
            return json.dumps(value, separators=(",", ":"))
        case _:
            return str(value)
