"""Templates against CloudFormation's limits.

Limits: CloudFormation User Guide, "Understand CloudFormation quotas", as `facts/cfn_limits.json`
has them (2026-11-23); a test holds both equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ultracluster.templates.scope import section
from ultracluster.templates.template import Template

BYTES: Final = 1_048_576
"""Of a template that lies in S3, as CDK deploys it."""
BODY: Final = 51_200
"""Of a template that a call carries in itself."""
RESOURCES: Final = 500
PARAMETERS: Final = 200
OUTPUTS: Final = 200
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
                ("bytes", self.bytes, BYTES),
                ("resources", self.resources, RESOURCES),
                ("parameters", self.parameters, PARAMETERS),
                ("outputs", self.outputs, OUTPUTS),
            )
            if count >= NEAR * limit
        ]


def sizes(templates: Sequence[Template]) -> list[Size]:
    """Return the sizes of templates, as they lie in their files."""
    return [
        Size(
            name=template.name,
            file=template.file or "",
            bytes=Path(template.file).stat().st_size if template.file else 0,
            resources=len(section(template.body, "Resources")),
            parameters=len(section(template.body, "Parameters")),
            outputs=len(section(template.body, "Outputs")),
            protected=template.protected,
        )
        for template in templates
    ]
