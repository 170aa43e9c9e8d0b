"""Templates as they are written, before anything in them is resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Template:
    """One CloudFormation template, and what is known of the stack that it makes."""

    name: str
    """Name that places, links and choices carry; unique among the templates given together."""
    body: Mapping[str, Any]
    """The template with long-form functions: `{"Fn::Sub": ...}`, never `!Sub`."""
    file: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line of each resource by logical id; line 1 is the first."""
    region: str | None = None
    """Region that the stack goes to, where a cloud assembly says so."""
    account: str | None = None
    """Account that the stack goes to, where a cloud assembly says so."""
    stack_name: str | None = None
    """What `AWS::StackName` gives, where it is known."""
    size: int | None = None
    """Bytes of the file that it stands in, where that is known."""
    protected: bool | None = None
    """Whether its stack has termination protection, where a cloud assembly says so."""
    nested_in: tuple[str, str] | None = None
    """Name of the template, and logical id there of the `AWS::CloudFormation::Stack`, that this
    one is deployed by."""
