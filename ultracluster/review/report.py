"""The results of a review, independent of the output format."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Final

from ultracluster.audit.report import Report as Audit
from ultracluster.audit.report import judged
from ultracluster.catalogue.lustre import EVERY_PORT
from ultracluster.drift import Drifted
from ultracluster.input_files import nested_stacks
from ultracluster.model.model import Model
from ultracluster.model.security_groups import SecurityGroups
from ultracluster.review.access.statement import Escalation, ExplainedStatement
from ultracluster.review.access.statements import explained
from ultracluster.review.baseline import Baseline
from ultracluster.review.bill import Money, money
from ultracluster.review.changes.change import Change, Danger, worst
from ultracluster.review.changes.comparison import changes
from ultracluster.review.drawing.boxes import Context
from ultracluster.review.drawing.picture import Figure, picture_blocks
from ultracluster.review.matrix import matrix
from ultracluster.review.naming import Names, counted, group_by, tebibytes
from ultracluster.review.numbers import Numbers, Size, numbers, size_of
from ultracluster.review.resolved import NotKnown, of_sources, of_templates, read, words
from ultracluster.review.subject import Packs, Subject, read_packs
from ultracluster.review.three_ways import ThreeWays, as_there, three_ways
from ultracluster.review.topology.nodes import Nodes
from ultracluster.review.topology.storage import FileSystem
from ultracluster.review.topology.survey import Topology, survey
from ultracluster.templates.resolved import ResolvedGroup
from ultracluster.templates.resolved_values import Key
from ultracluster.templates.scope import section

MOST_ZONES: Final = 2
"""Zones that the headline names."""
NFS: Final = [2049]
"""Port of EFS and of FSx for OpenZFS and ONTAP (their user guides)."""


@dataclass(frozen=True)
class Review:
    """A review."""

    title: str
    headline: str
    """What is built, in one line."""
    notes: Sequence[str]
    figures: Sequence[Figure]
    baseline: str | None
    """What the templates are compared with; None where with nothing."""
    changes: Sequence[Change]
    """The most dangerous first."""
    audit: Audit
    packs: Packs | None
    statements: Sequence[ExplainedStatement]
    """What all policies allow and deny."""
    escalations: Sequence[Escalation]
    numbers: Sequence[Numbers]
    money: Money | None
    """What is bought now and before; None where the Region is not known."""
    sizes: Sequence[Size]
    ways: Sequence[ThreeWays] = ()
    """What is approved, deployed and there, where the account was asked for drift, worst first."""

    @property
    def worst(self) -> Danger | None:
        return worst(self.changes)


def review(
    subject: Subject,
    baseline: Baseline | None,
    *,
    parameters: Mapping[str, str],
    region: str | None,
    drifted: Sequence[Drifted] | None = None,
) -> Review:
    """Return the review of a subject.

    Args:
        subject: what is reviewed.
        baseline: what it is compared with.
        parameters: values of the templates' parameters.
        region: where templates go that do not say it themselves.
        drifted: what is no longer as the baseline says; None where nobody asked.
    """
    if region is None and subject.spec is not None:
        region = subject.spec.region
    after = of_sources(subject.sources, parameters, region)
    before = None if baseline is None else of_templates(baseline.templates, parameters, region)
    found = () if before is None else changes(before, after)
    ways: Sequence[ThreeWays] = ()
    if before is not None and baseline is not None and drifted is not None:
        there = of_templates(as_there(baseline.templates, drifted), parameters, region)
        ways = three_ways(before, there, after)
    marks = changed(found)
    figures = [figure(group, number, marks) for number, group in enumerate(after.groups, start=1)]
    audit = judged(subject.sources, parameters, region, "error")
    constructs = [r.place.construct_path or "" for v in after.variants for r in v.resources]
    topologies = [each.topology for each in figures]
    was = None if before is None else [survey((), *named(group)) for group in before.groups]
    statements, escalations = explained(after.variants)
    return Review(
        title=subject.title,
        headline=headline(topologies, subject),
        notes=[*subject.notes, *_missing_stacks(subject), *audit.notes],
        figures=figures,
        baseline=None if baseline is None else baseline.title,
        changes=found,
        audit=audit,
        packs=None if subject.assembly is None else read_packs(subject.assembly, constructs),
        statements=statements,
        escalations=escalations,
        numbers=numbers(topologies, subject.spec),
        money=money(topologies, was, subject.spec),
        sizes=[size_of(template) for template in subject.templates],
        ways=ways,
    )


def changed(changes: Sequence[Change]) -> Mapping[Key, Danger]:
    """Return the worst that is done to each resource, of changes with the most dangerous first."""
    return {
        (stack, resource): change.worst
        for change in reversed(changes)
        for stack, resource, _ in (*change.covers, (change.stack, change.resource, ""))
    }


def named(group: ResolvedGroup) -> tuple[Model, Names]:
    """Return the variant with most in it, with the names of its resources."""
    variant = max(group.variants, key=lambda each: len(each.resources))
    return Model(variant), Names(variant.resources)


def figure(group: ResolvedGroup, number: int, marks: Mapping[Key, Danger] | None = None) -> Figure:
    """Return templates that belong together, as a picture and as a security matrix."""
    model, called = named(group)
    topology = survey([template.name for template in group.templates], model, called)
    context = Context(
        topology.fabrics, lambda n, f: mount(model.groups, n, f), called.key, marks or {}
    )
    return Figure(topology, list(picture_blocks(topology, context)), matrix(model, called), number)


def mount(groups: SecurityGroups, nodes: Nodes, system: FileSystem) -> tuple[str, bool | None]:
    """Return what passes between nodes and a file system, and whether that is enough."""
    lustre = "Lustre" in system.kind
    said, ports, passes = "NFS: TCP 2049", NFS, "passes"
    if lustre:
        said, ports, passes = "Lustre: TCP 988 and 1018–1023", EVERY_PORT, "pass both ways"

    def closed(source: Sequence[Key], target: Sequence[Key]) -> bool:
        out = groups.closed_ports(source, "out", ports, set(target))
        return bool(out or groups.closed_ports(target, "in", ports, set(source)))

    ends = nodes.groups, system.groups
    ways = [ends, ends[::-1]] if lustre else [ends]
    unknown = any(isinstance(end, NotKnown) for end in ends)
    match NotKnown("") if unknown else read(lambda: any(starmap(closed, ways))):
        case NotKnown():
            return f"{said}; whether it passes is not known", None
        case True:
            return f"{said}: the security groups do not let it pass", False
    return f"{said} {passes}", True


def _missing_stacks(subject: Subject) -> Iterator[str]:
    """Yield a note where nested stacks are in none of the given templates."""
    given = {template.nested_in for template in subject.templates}
    nested = [(t.name, name) for t in subject.templates for name, _ in nested_stacks(t.body)]
    missing = [place[1] for place in nested if place not in given]
    if missing:
        says = f"The templates of nested stacks were not given: {', '.join(missing)}; name their "
        yield f"{says}files beside this one."


def headline(topologies: Sequence[Topology], subject: Subject) -> str:
    nodes = [nodes for topology in topologies for nodes in topology.nodes]
    parts = list(_nodes(nodes))
    parts += [_file_system(system) for each in topologies for system in each.file_systems]
    together: Counter[str] = Counter()
    for each in nodes:
        if isinstance(each.count, int) and each.instance is not None:
            accelerator = each.instance.accelerator
            together[accelerator.name] += each.count * accelerator.count
    gpus = ", ".join(f"{many:,} {name}" for name, many in (+together).items())
    built = ", ".join(parts) + (f" ({gpus} together)" if gpus else "")
    resources = sum(len(section(template.body, "Resources")) for template in subject.templates)
    size = f"{counted(resources, 'resource')} in {counted(len(subject.templates), 'stack')}"
    return f"{built or 'No nodes and no file systems'}{_where(topologies)}; {size}"


def _nodes(found: Iterable[Nodes]) -> Iterator[str]:
    """Yield the nodes of each type, those of all groups together."""
    by_type = group_by(found, lambda n: words(n.type_name, "nodes of a type that is not known"))
    for name, alike in by_type.items():
        counts = [nodes.count for nodes in alike if isinstance(nodes.count, int)]
        known = sum(counts)
        if len(counts) == len(alike):
            yield f"{known:,} {name}"
        else:
            yield f"{f'at least {known:,}' if known else 'an unknown number of'} {name}"


def _file_system(system: FileSystem) -> str:
    rate = system.gigabytes_per_second
    tib = f"{tebibytes(system.gib)} of " if isinstance(system.gib, int) else ""
    fast = f" at {rate:,.3g} GB/s" if isinstance(rate, float | int) else ""
    return f"{tib}{system.kind}{fast}"


def _where(topologies: Sequence[Topology]) -> str:
    regions = {t.region for t in topologies if not isinstance(t.region, NotKnown)}
    subnets = [subnet for topology in topologies for subnet in topology.subnets]
    zones = sorted({s.zone for s in subnets if not isinstance(s.zone, NotKnown) and s.uses})
    few = " and ".join(zones) if len(zones) <= MOST_ZONES else f"{len(zones)} zones"
    found = few, ", ".join(sorted(regions))
    where = " of ".join(filter(None, found))
    return f" in {where}" if where else ""


def file_name(title: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(title).name)
    return kept.strip("-.")[:80] or "review"
