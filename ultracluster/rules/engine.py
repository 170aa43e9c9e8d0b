"""The rules, and what they say of templates in all of their variants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.rules import (
    capacity_bills,
    capacity_blocks,
    capacity_placement,
    capacity_reservations,
    fabric_groups,
    fabric_interfaces,
    fabric_network,
    fabric_routes,
    fabric_variables,
    lustre_access,
    lustre_associations,
    lustre_file_systems,
    safety_data,
    safety_nodes,
    safety_open,
    safety_policies,
    safety_references,
    safety_roles,
    safety_stores,
    sagemaker_clusters,
    sagemaker_jobs,
    sagemaker_requests,
    slurm,
    slurm_queues,
)
from ultracluster.rules.rule import CannotTell, Finding, Rule, Severity, Verdict
from ultracluster.templates.resolved import Variant
from ultracluster.templates.resolved_values import UndeterminedError

__all__ = ["FAMILIES", "RULES", "CannotTell", "Finding", "Rule", "Severity", "Verdict", "judge"]

FAMILIES: Final[Mapping[str, tuple[ModuleType, ...]]] = MappingProxyType(
    {
        "FABRIC": (
            fabric_groups,
            fabric_interfaces,
            fabric_network,
            fabric_routes,
            fabric_variables,
        ),
        "CAPACITY": (capacity_placement, capacity_blocks, capacity_reservations, capacity_bills),
        "LUSTRE": (lustre_file_systems, lustre_access, lustre_associations),
        "SAGEMAKER": (sagemaker_jobs, sagemaker_requests, sagemaker_clusters),
        "SLURM": (slurm, slurm_queues),
        "SAFETY": (
            safety_data,
            safety_nodes,
            safety_open,
            safety_policies,
            safety_references,
            safety_roles,
            safety_stores,
        ),
    }
)


def _collected() -> Iterator[Rule]:
    for modules in FAMILIES.values():
        found = [v for module in modules for v in vars(module).values() if isinstance(v, Rule)]
        yield from sorted(found, key=lambda rule: int(rule.id.partition("-")[2]))


RULES: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in _collected()})
"""Every rule by its id, in the order of families and numbers."""

FORBIDDEN: Final = frozenset(rule.id for rule in RULES.values() if not rule.acknowledgeable)
"""Rules that nobody may excuse: data would be lost, or it can never work."""


def judge(variants: Sequence[Variant]) -> Verdict:
    """Return what all rules find, equal findings of several variants merged into one."""
    found_in: dict[Finding, list[Mapping[str, bool]]] = {}
    unknown: dict[CannotTell, None] = {}
    kept: dict[tuple[str, int], Any] = {}
    for variant in variants:
        model = Model(variant, kept)
        for rule in RULES.values():
            for result in _results(rule, model):
                if isinstance(result, CannotTell):
                    unknown[result] = None
                elif variant.choices not in (choices := found_in.setdefault(result, [])):
                    choices.append(variant.choices)
    every = [variant.choices for variant in variants]
    findings = tuple(
        replace(finding, choices=_condition(choices, every))
        for finding, choices in found_in.items()
    )
    places = {(finding.rule, finding.place) for finding in findings}
    return Verdict(findings, tuple(u for u in unknown if (u.rule, u.place) not in places))


def _results(rule: Rule, model: Model) -> Iterator[Finding | CannotTell]:
    for subject in rule.subjects(model):
        try:
            for fault in rule.judge(model, subject):
                place, fix = fault.place or subject.place, fault.fix or rule.fix
                yield Finding(rule.id, place, fault.message, fix)
        except UndeterminedError as error:
            yield CannotTell(rule.id, subject.place, error.because)


def _condition(
    found_in: Sequence[Mapping[str, bool]], every: Sequence[Mapping[str, bool]]
) -> dict[str, bool]:
    """Return what all variants with a finding share and not all variants do."""
    shared = dict(found_in[0])
    for choices in found_in[1:]:
        shared = {name: value for name, value in shared.items() if choices.get(name) == value}
    return {
        name: value
        for name, value in shared.items()
        if any(choices.get(name) != value for choices in every)
    }
