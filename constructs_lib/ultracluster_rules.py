"""The fabric rules as a plug-in of CDK's validation.

cdk.Validations.of(app).add_plugins(UltraClusterRules())
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import aws_cdk as cdk
import jsii
from constructs import IConstruct

from ultracluster.input_files import Sources
from ultracluster.rules.acknowledgements import (
    KIND,
    NAMESPACE,
    OBJECTIONS,
    Acknowledgement,
    acknowledgements,
    objections,
)
from ultracluster.rules.engine import FORBIDDEN, RULES, Finding, judge
from ultracluster.rules.rule import assumptions

MOST_LISTED: Final = 20


@jsii.implements(cdk.IPolicyValidationPlugin)
class UltraClusterRules:
    """Check the templates of an app by the fabric rules, and the acknowledgements of findings.

    A finding is acknowledged at its construct, by `UltraCluster::<rule>` and with a sentence as the
    reason. Findings of lost data or of what can never work have the severity fatal, which CDK does
    not let anybody acknowledge.
    """

    @property
    def name(self) -> str:
        """The name with which the ids of findings begin."""
        return NAMESPACE

    @property
    def version(self) -> str:
        """The version of the rules."""
        try:
            return version("ultracluster")
        except PackageNotFoundError:
            return "0.0.0"

    @property
    def rule_ids(self) -> list[str]:
        """The id of every rule."""
        return [*RULES, *OBJECTIONS]

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Check all templates of the app, those of one stage together."""
        assembly = _Assembly(context)
        violations = [*assembly.violations(), *assembly.objections()]
        return cdk.PolicyValidationPluginReport(
            success=not any(v.severity in ("fatal", "error") for v in violations),
            violations=violations,
            metadata=assembly.left_open(),
        )


class _Assembly:
    """The templates of an app, and what the rules find in them."""

    def __init__(self, context: cdk.IPolicyValidationContext) -> None:
        self._app = context.app_construct
        folders = {Path(stack.template_path).parent for stack in context.stack_templates}
        # The manifest of an app names those of its stages.
        self._sources = Sources(str(f) for f in sorted(folders) if not folders & {*f.parents})
        if self._sources.errors:  # CDK tells it, and the synthesis fails
            raise ValueError("; ".join(self._sources.errors))
        groups = self._sources.resolved({}, None, every_value=True)
        self._verdicts = [judge(group) for group in groups]

    def _findings(self) -> Iterator[Finding]:
        for verdict in self._verdicts:
            yield from verdict.findings

    def violations(self) -> Iterator[cdk.PolicyViolation]:
        """Yield each finding as CDK has it."""
        for finding in self._findings():
            rule = RULES[finding.rule]
            details = {"why": rule.why, "source": rule.source, "check": rule.check}
            if finding.choices:
                details["under"] = assumptions(finding.choices)
            yield cdk.PolicyViolation(
                rule_name=finding.rule,
                description=f"{rule.what} Here: {finding.message}.",
                fix=finding.fix,
                severity="warning" if finding.avoidable else rule.level,
                rule_metadata=details,
                violating_resources=[
                    cdk.PolicyViolatingResource(
                        locations=[],
                        resource_logical_id=finding.place.logical_id,
                        template_path=finding.place.file,
                    )
                ],
            )

    def objections(self) -> Iterator[cdk.PolicyViolation]:
        """Yield findings about the app's acknowledgements."""
        acknowledged = [*_above_stacks(self._app), *self._sources.acknowledged()]
        places = [(f.rule, self._sources.construct_path(f.place)) for f in self._findings()]
        for objection in objections(acknowledged, places, RULES, FORBIDDEN):
            yield cdk.PolicyViolation(
                rule_name=objection.rule,
                description=f"{OBJECTIONS[objection.rule]} Here: {objection.message}.",
                fix=objection.fix,
                severity="fatal",
                violating_resources=[
                    cdk.PolicyViolatingResource(locations=[], construct_path=objection.path)
                ],
            )

    def left_open(self) -> dict[str, str]:
        """Return what the rules cannot tell from the templates, for the report."""
        unknown = [
            f"{item.rule} at {item.place.stack}/{item.place.logical_id}: cannot tell, "
            f"because {item.because}"
            for verdict in self._verdicts
            for item in verdict.unknown
        ]
        if len(unknown) > MOST_LISTED:
            unknown[MOST_LISTED:] = [f"and {len(unknown) - MOST_LISTED} more"]
        return {"left open": "; ".join(unknown)} if unknown else {}


def _above_stacks(scope: IConstruct) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements at apps and stages, which no assembly records."""
    for entry in scope.node.metadata:
        if entry.type == KIND:
            yield from acknowledgements(scope.node.path, entry.data, above=True)
    for child in scope.node.children:
        if not cdk.Stack.is_stack(child):
            yield from _above_stacks(child)
