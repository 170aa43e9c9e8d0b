"""Templates against CloudFormation's limits, which a fabric rule holds as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.rules.safety_references import MOST_BYTES, MOST_OF_A_SECTION, MOST_RESOURCES
from ultracluster.templates.scope import section
from ultracluster.templates.template import Template

NEAR: Final = 0.8
"""Share of a limit from which a reviewer should know."""


@dataclass(frozen=True)
class Size:
    """How large a template is."""

    name: str
    file: str
    bytes: int
    resources: int
    parameters: int
    outputs: int
    protected: bool | None
    """Whether termination protection is on; None where only the template is given: it is a
    setting of the stack and stands in no template."""

    @property
    def protection(self) -> str:
        return {True: "on", False: "off", None: "not in the template"}[self.protected]

    @property
    def near(self) -> Sequence[str]:
        return [
            f"{what} at {count / limit:.0%} of {limit:,}"
            for what, count, limit in (
                ("bytes", self.bytes, MOST_BYTES),
                ("resources", self.resources, MOST_RESOURCES),
                ("parameters", self.parameters, MOST_OF_A_SECTION),
                ("outputs", self.outputs, MOST_OF_A_SECTION),
            )
            if count >= NEAR * limit
        ]


def sizes(templates: Sequence[Template]) -> list[Size]:
    """Return the sizes of templates, as they lie in their files."""
    return [
        Size(
            name=template.name,
            file=template.file or "",
            bytes=template.size or 0,
            resources=len(section(template.body, "Resources")),
            parameters=len(section(template.body, "Parameters")),
            outputs=len(section(template.body, "Outputs")),
            protected=template.protected,
        )
        for template in templates
    ]
