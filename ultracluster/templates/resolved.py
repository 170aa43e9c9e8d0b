"""Templates as they are written, and their intrinsic functions resolved as far as they allow.

`resolution` makes these of templates, `model` reads them. A value is a plain JSON value, a
mapping or list of values, `Unknown` where the template alone cannot tell it, a `Link` where it
refers to a resource, `Text` where a text has such parts, or `Encoded` where such a text is Base64.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ultracluster.templates.choices import Atom


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


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that cannot be known from the templates."""

    because: str
    """Why, as the rest of "cannot tell, because ...", for example
    `parameter InstanceType has no default`."""

    symbol: str | None = None
    """A name for the value, whatever it is: two values with the same symbol are equal, for example
    two uses of one parameter. None where nothing is known to be equal to it."""

    dangling: bool = False
    """Whether it is a reference to something that no given template has."""


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to a resource of the given templates, by Ref, GetAtt or an import."""

    stack: str
    logical_id: str
    attribute: str | None = None
    """Attribute of GetAtt, None for Ref."""

    @property
    def key(self) -> tuple[str, str]:
        """The resource that it leads to (`Place.key`)."""
        return (self.stack, self.logical_id)


@dataclass(frozen=True, slots=True)
class Text:
    """A text of which some parts are links or unknown, as `Fn::Join` and `Fn::Sub` give."""

    parts: tuple[str | Link | Unknown, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What `Fn::Base64` gives of a text of which some parts are not known; user data, mostly."""

    content: Text | Link | Unknown
    """The text before it is encoded."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource is written."""

    stack: str
    logical_id: str
    file: str | None = None
    line: int | None = None
    construct_path: str | None = None
    """`aws:cdk:path` of the resource's metadata, where CDK wrote it."""

    @property
    def key(self) -> tuple[str, str]:
        """What references to the resource lead to (`reading.key`)."""
        return (self.stack, self.logical_id)

    @property
    def path(self) -> str:
        """Path of its construct; of what CDK did not write, its stack and logical id."""
        return self.construct_path or f"{self.stack}/{self.logical_id}"


@dataclass(frozen=True)
class ResolvedResource:
    """One resource of a template, in one variant."""

    place: Place
    resource_type: str
    properties: Mapping[str, Any]
    """Resolved values by CloudFormation property name; a property whose value resolves to
    `AWS::NoValue` is absent."""
    depends_on: frozenset[str] = frozenset()
    """Logical ids of DependsOn, and of everything that a value refers to in the same stack."""
    deletion_policy: str | Unknown | None = None
    update_replace_policy: str | Unknown | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """All resources of the given templates under one choice of every undecided condition."""

    resources: tuple[ResolvedResource, ...]
    region: str | Unknown
    """Region that the templates go to, where the caller or the templates say it."""
    choices: Mapping[str, bool | str] = field(default_factory=dict)
    """What was assumed: of conditions that the templates leave open by `stack/condition`, of
    parameters that allow several values by `stack/parameter`."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """What was resolved, by name: for what a template has as a whole."""
    unusual: Mapping[Atom, bool] = field(default_factory=dict)
    """What was assumed otherwise than in the variant of all defaults."""
    incomplete: str | None = None
    """Where there are more variants than are looked at: how many, as a sentence."""


@dataclass(frozen=True)
class ResolvedGroup:
    """Templates that are deployed together, and every variant of them."""

    templates: tuple[Template, ...]
    variants: tuple[Variant, ...]
    """At least one."""
    taken: Mapping[str, str] = field(default_factory=dict)
    """Parameters of which the default alone was looked at, with it, by `stack/parameter`."""
    variant: Callable[..., Variant | None] | None = None
    """Makes a further one (`resolution`)."""
    open_defaults: Callable[[Mapping[str, str]], Sequence[Variant]] | None = None
    """Makes those of given parameters in which the defaults of all others are not known."""
