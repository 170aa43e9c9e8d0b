"""What a change does of which no rule speaks, and what a rename does."""

from collections.abc import Iterator
from typing import Final

from ultracluster.registry.schemas import any_schema, regions, schema
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.replacement import exported, twin_of_renamed
from ultracluster.review.changes.retention import STATEFUL, outlives
from ultracluster.review.changes.retention import removed as data_removed
from ultracluster.review.changes.sources import REGISTRY
from ultracluster.review.changes.verdict import ANY, Site, Verdict, changed
from ultracluster.review.changes.words import holdings, named
from ultracluster.review.naming import noun

WORDS: Final = frozenset({"Description", "GroupDescription", "DisplayName", "Comment"})
LABELS: Final = frozenset({"Tags", "TagSpecifications", "ResourceTags", "FileSystemTags"})
HARMLESS: Final[dict[str, frozenset[str]]] = {
    "AWS::SSM::Parameter": frozenset({"Value", "Tier", "AllowedPattern", "Policies", "DataType"}),
    "AWS::Lambda::Function": frozenset({"LoggingConfig", "TracingConfig"}),
    "AWS::StepFunctions::StateMachine": frozenset({"LoggingConfiguration", "TracingConfiguration"}),
    "AWS::CloudWatch::Dashboard": frozenset({"DashboardBody"}),
    "AWS::AutoScaling::AutoScalingGroup": frozenset(
        {"Cooldown", "DefaultInstanceWarmup", "MetricsCollection", "NotificationConfigurations"}
    ),
}
"""Properties of which it is known that what runs does not notice: reads and calls from now on
give the new value."""
CUSTOM: Final = ("Custom::", "AWS::CloudFormation::CustomResource")


def cannot(resource_type: str) -> str | None:
    """Return why nothing is known of a type, None where its schema is."""
    if resource_type.startswith(CUSTOM):
        return "a custom resource does what its own program does"
    if resource_type == "AWS::CloudFormation::Stack":
        return "what a nested stack does stands in its own template"
    return None


def in_place(site: Site) -> list[Verdict]:
    """Return what a property does of which no rule speaks."""
    top = site.path[0]
    because = cannot(site.type)
    schema = site.schema
    if because is None and schema is None:
        because = f"type {site.type or 'without a name'} is in no Region's registry ({REGISTRY})"
    if because is None and schema is not None and top not in schema.document.get("properties", {}):
        because = f"the registry's schema of {site.type} has no property {top} ({REGISTRY})"
    if because is not None:
        return [Verdict(Danger.CANNOT_TELL, f"cannot tell what changes: {because}", because)]
    if top in LABELS or site.path[-1] in WORDS:
        return [
            Verdict(
                Danger.HARMLESS,
                f"{site.name} is {'labelled' if top in LABELS else 'described'} otherwise",
                f"{top} is updated in place: it is not create-only ({REGISTRY})",
            )
        ]
    if top in HARMLESS.get(site.type, ()):
        return [
            Verdict(
                Danger.HARMLESS,
                f"{top} of {site.name} is another one from now on",
                f"updated in place: it is not create-only ({REGISTRY})",
            )
        ]
    return [
        Verdict(
            Danger.CANNOT_TELL,
            f"{site.name} is changed in place; whether what uses it is interrupted is not known "
            "here",
            f"{top} is not create-only ({REGISTRY}), and a schema does not say more",
        )
    ]


@changed(ANY)
def required(site: Site) -> Iterator[Verdict]:
    """Judge a property that a type cannot do without."""
    schema = site.schema
    if schema is None or len(site.path) != 1 or site.now is not None or site.new is None:
        return
    if site.path[0] in schema.document.get("required", ()):
        yield Verdict(
            Danger.FAILS, f"{site.name} cannot be without {site.path[0]}", f"required ({REGISTRY})"
        )


def not_offered(site: Site) -> list[Verdict]:
    """Return that a type is not in the Region, where that is known."""
    region = site.update.region or site.moment.new.variant.region
    if not isinstance(region, str) or region not in regions():
        return []
    if any_schema(site.type) is None or schema(site.type, region) is not None:
        return []
    return [
        Verdict(
            Danger.FAILS,
            f"{site.name} cannot be made: {region} has no {site.type}",
            REGISTRY,
            "choose another Region, or leave it out",
        )
    ]


def added(site: Site) -> list[Verdict]:
    """Return what a new resource does of which no rule speaks."""
    because = cannot(site.type)
    if because is None and site.schema is None:
        because = f"type {site.type or 'without a name'} is in no Region's registry ({REGISTRY})"
    if because is not None:
        return [Verdict(Danger.CANNOT_TELL, f"{site.name} is new: {because}", because)]
    return [Verdict(Danger.HARMLESS, f"{site.name} is new", "nothing that was there changes")]


def removed(site: Site) -> list[Verdict]:
    """Return what the removal of a resource does of which no rule speaks."""
    assert site.old is not None  # noqa: S101  (it was there)
    kept = outlives(site.old, name="DeletionPolicy")
    if kept == "Retain":
        return [
            Verdict(
                Danger.HARMLESS,
                f"{named(site.old)} leaves the stack and stays in the account",
                "DeletionPolicy keeps it",
            )
        ]
    because = cannot(site.old.resource_type)
    if because is not None:
        return [Verdict(Danger.CANNOT_TELL, f"{named(site.old)} is removed: {because}", because)]
    return [
        Verdict(
            Danger.INTERRUPTS,
            f"{named(site.old)} is deleted; whatever uses it stops",
            "it is in no template any more",
        )
    ]


def renamed(site: Site) -> list[Verdict]:
    """Return what a new logical id or stack does to a resource."""
    if site.old is None or site.new is None:
        return added(site) if site.new else removed(site)
    old_key, new_key = site.old_key, site.new_key
    assert old_key is not None and new_key is not None  # noqa: S101, PT018
    moved = old_key[0] != new_key[0]
    verb = f"moves from {old_key[0]} to {new_key[0]}" if moved else f"becomes {new_key[1]}"
    why = (
        "CloudFormation knows a resource by its stack and logical id: it makes a new one and "
        "deletes the old one"
    )
    instead = (
        "keep the logical id (override_logical_id), or move it by a stack refactoring "
        "(aws cloudformation create-stack-refactor)"
    )
    found = [
        Verdict(
            Danger.REPLACES,
            f"{site.name} {verb} and is made anew"
            + (f", empty of {holdings(site.old)}" if site.old.resource_type in STATEFUL else ""),
            why,
            instead,
        )
    ]
    if site.old.resource_type in STATEFUL:
        found += [v for v in data_removed(site.old) if v.danger is Danger.LOSES_DATA]
        if outlives(site.old, name="DeletionPolicy") == "Retain":
            found.append(
                Verdict(
                    Danger.COSTS_MORE,
                    f"the old {noun(site.old.resource_type)} stays behind and is billed",
                    why,
                )
            )
    return [*found, *exported(site), *twin_of_renamed(site)]
