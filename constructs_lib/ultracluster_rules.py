"""The rules as a plugin of CDK's own validation.

cdk.Validations.of(app).add_plugins(UltraClusterRules())
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import aws_cdk as cdk
import jsii
from constructs import IConstruct

from constructs_lib.acknowledged import above_stacks
from ultracluster.rules.acknowledgements import OBJECTIONS, Acknowledgement, objections
from ultracluster.rules.assembly_metadata import (
    NAMESPACE,
    Metadata,
    paths,
    protections,
    recorded,
    stacks_metadata,
)
from ultracluster.rules.engine import FORBIDDEN, RULES, Finding, Verdict, judge
from ultracluster.templates.resolution import Template, resolve

NESTED: Final = "AWS::CloudFormation::Stack"
MOST_TOLD: Final = 20


@jsii.implements(cdk.IPolicyValidationPlugin)
class UltraClusterRules:
    """Judge the templates of an app by the fabric rules.

    A finding is acknowledged at its construct, by `UltraCluster::<rule>` and with a reason that is
    a sentence. What would lose data or can never work has severity fatal, which CDK lets nobody
    acknowledge. Acknowledgements are judged as well.
    """

    @property
    def name(self) -> str:
        """The name that ids of findings begin with."""
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
        """Judge all templates of the app, those of one stage together."""
        assembly = _Assembly(context)
        violations = [*assembly.violations(), *assembly.objections()]
        return cdk.PolicyValidationPluginReport(
            success=not any(v.severity in ("fatal", "error") for v in violations),
            violations=violations,
            metadata=assembly.untold(),
        )


class _Assembly:
    """The templates of an app, and what the rules say of them."""

    def __init__(self, context: cdk.IPolicyValidationContext) -> None:
        self._app = context.app_construct
        self._metadata: dict[Path, Metadata] = {}
        self._paths: dict[Path, Mapping[str, str]] = {}
        together: dict[tuple[Path, str | None], list[Template]] = defaultdict(list)
        assemblies: dict[Path, Mapping[str, Metadata]] = {}
        protected: dict[Path, Mapping[str, bool]] = {}
        for stack in context.stack_templates:
            # Each property is a question to Node.
            file, region = Path(stack.template_path), stack.region
            if file.parent not in assemblies:
                assemblies[file.parent] = stacks_metadata(file.parent)
                protected[file.parent] = protections(file.parent)
            self._metadata[file] = assemblies[file.parent].get(file.name, {})
            # Stages are deployed apart from each other, and exports do not leave a Region.
            together[file.parent, region] += [
                replace(template, protected=protected[file.parent].get(file.name))
                for template in _templates(stack, file, region, self._app)
            ]
        self._verdicts: list[Verdict] = [
            judge(resolve(templates, parameters={}, region=region))
            for (_, region), templates in together.items()
        ]

    def _findings(self) -> Iterator[Finding]:
        for verdict in self._verdicts:
            yield from verdict.findings

    def violations(self) -> Iterator[cdk.PolicyViolation]:
        """Yield each finding as CDK has it."""
        for finding in self._findings():
            rule = RULES[finding.rule]
            details = {"why": rule.why, "source": rule.source, "check": rule.check}
            if finding.choices:
                details["under"] = ", ".join(
                    f"{name} is {str(value).lower()}" for name, value in finding.choices.items()
                )
            yield cdk.PolicyViolation(
                rule_name=finding.rule,
                description=f"{rule.what} Here: {finding.message}.",
                fix=finding.fix,
                severity=rule.severity if rule.acknowledgeable else "fatal",
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
        """Yield what is wrong with the app's acknowledgements."""
        places = [(finding.rule, self._path(finding)) for finding in self._findings()]
        for objection in objections(self._acknowledged(), places, FORBIDDEN):
            yield cdk.PolicyViolation(
                rule_name=objection.rule,
                description=f"{OBJECTIONS[objection.rule]} Here: {objection.message}.",
                fix=objection.fix,
                severity="fatal",
                violating_resources=[
                    cdk.PolicyViolatingResource(locations=[], construct_path=objection.path)
                ],
            )

    def _acknowledged(self) -> Iterator[Acknowledgement]:
        yield from above_stacks(self._app)
        for metadata in self._metadata.values():
            yield from recorded(metadata)

    def _path(self, finding: Finding) -> str:
        place = finding.place
        if place.construct_path:
            return place.construct_path
        # An app may leave paths out of its templates; the assembly has them all the same.
        file = Path(place.file or "")
        if file not in self._paths:
            self._paths[file] = paths(self._metadata.get(file, {}))
        return self._paths[file].get(place.logical_id, "")

    def untold(self) -> dict[str, str]:
        """Return what the templates leave open, for the report."""
        told = [
            f"{unknown.rule} at {unknown.place.stack}/{unknown.place.logical_id}: cannot tell, "
            f"because {unknown.because}"
            for verdict in self._verdicts
            for unknown in verdict.unknown
        ]
        if len(told) > MOST_TOLD:
            told[MOST_TOLD:] = [f"and {len(told) - MOST_TOLD} more"]
        return {"left open": "; ".join(told)} if told else {}


def _templates(
    stack: cdk.PolicyValidationStack, file: Path, region: str | None, app: IConstruct
) -> Iterator[Template]:
    """Yield the template of a stack, and those of the stacks that are nested in it."""
    path, account = stack.stack_construct_path, stack.account_id
    body = json.loads(file.read_text())
    yield Template(
        path, body, file=str(file), region=region, account=account, size=file.stat().st_size
    )
    # CDK hands out no templates of nested stacks, and few apps have any.
    if not any(r.get("Type") == NESTED for r in body.get("Resources", {}).values()):
        return
    for construct in app.node.find_all():
        if not isinstance(construct, cdk.NestedStack):
            continue
        parent, resource = construct.nested_stack_parent, construct.nested_stack_resource
        if (
            parent is None
            or resource is None
            or not f"{construct.node.path}/".startswith(f"{path}/")
        ):
            continue
        inner = file.parent / construct.template_file
        yield Template(
            construct.node.path,
            json.loads(inner.read_text()),
            file=str(inner),
            region=region,
            account=account,
            size=inner.stat().st_size,
            nested_in=(parent.node.path, parent.resolve(resource.logical_id)),
        )
