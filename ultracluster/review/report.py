"""Everything that a review has to say, before it is written in any format."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ultracluster.audit.report import Report as Audit
from ultracluster.audit.report import judged
from ultracluster.input_files import nested_stacks
from ultracluster.model.storage import GIB_PER_TIB
from ultracluster.review.access.statement import Escalation, ExplainedStatement
from ultracluster.review.access.statements import escalations, statements
from ultracluster.review.baseline import Baseline
from ultracluster.review.bill import Money, money
from ultracluster.review.changes.change import Change, Danger, worst
from ultracluster.review.changes.comparison import changes
from ultracluster.review.drawing.picture import Figure
from ultracluster.review.exceptions import Packs, read_packs
from ultracluster.review.figure import changed, figure
from ultracluster.review.known import NotKnown, words
from ultracluster.review.naming import tebibytes
from ultracluster.review.numbers import Numbers, numbers, total_accelerators
from ultracluster.review.resolved import of_sources, of_templates
from ultracluster.review.sizes import Size, sizes
from ultracluster.review.subject import Subject
from ultracluster.review.topology.storage import FileSystem
from ultracluster.review.topology.survey import Topology, survey
from ultracluster.templates.scope import section


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

    @property
    def worst(self) -> Danger | None:
        return worst(self.changes)


def review(
    subject: Subject,
    baseline: Baseline | None,
    *,
    parameters: Mapping[str, str],
    region: str | None,
) -> Review:
    """Return the review of a subject."""
    if region is None and subject.spec is not None:
        region = subject.spec.region
    after = of_sources(subject.sources, parameters, region)
    before = None if baseline is None else of_templates(baseline.templates, parameters, region)
    found = () if before is None else changes(before, after)
    marks = changed(found)
    figures = [figure(group, number, marks) for number, group in enumerate(after.groups, start=1)]
    audit = judged(subject.sources, parameters, region, "error")
    constructs = [r.place.construct_path or "" for v in after.variants for r in v.resources]
    packs = None if subject.assembly is None else read_packs(subject.assembly, constructs)
    topologies = [each.topology for each in figures]
    was = None if before is None else [survey((), group.variants) for group in before.groups]
    return Review(
        title=subject.title,
        headline=headline(topologies, subject),
        notes=[*subject.notes, *_missing_stacks(subject), *audit.notes],
        figures=figures,
        baseline=None if baseline is None else baseline.title,
        changes=found,
        audit=audit,
        packs=packs,
        statements=statements(after.variants),
        escalations=escalations(after.variants),
        numbers=numbers(topologies, subject.spec),
        money=money(topologies, was),
        sizes=sizes(subject.templates),
    )


def _missing_stacks(subject: Subject) -> Iterator[str]:
    """Yield a note where nested stacks are in none of the given templates."""
    given = {template.nested_in for template in subject.templates}
    missing = [
        name
        for template in subject.templates
        for name, _ in nested_stacks(template.body)
        if (template.name, name) not in given
    ]
    if missing:
        yield (
            f"The templates of nested stacks were not given: {', '.join(missing)}; name their "
            "files beside this one."
        )


def headline(topologies: Sequence[Topology], subject: Subject) -> str:
    parts = list(_nodes(topologies))
    parts += [_file_system(system) for each in topologies for system in each.file_systems]
    gpus = [f"{many:,} {name}" for name, many in total_accelerators(topologies).items()]
    together = f" ({', '.join(gpus)} together)" if gpus else ""
    built = f"{', '.join(parts)}{together}" if parts else "No nodes and no file systems"
    count = sum(len(section(template.body, "Resources")) for template in subject.templates)
    where = _where(topologies)
    many = len(subject.templates)
    stacks = f"{many} stack{'' if many == 1 else 's'}"
    return f"{built}{where}; {count} resources in {stacks}"


def _nodes(topologies: Sequence[Topology]) -> Iterator[str]:
    """Yield the nodes of each type, those of all groups together."""
    counts: dict[str, list[int | None]] = {}
    for nodes in (nodes for topology in topologies for nodes in topology.nodes):
        name = words(nodes.type_name, "nodes of a type that is not known")
        counts.setdefault(name, []).append(nodes.count if isinstance(nodes.count, int) else None)
    for name, found in counts.items():
        known = sum(count or 0 for count in found)
        if None not in found:
            yield f"{known:,} {name}"
        else:
            yield f"{f'at least {known:,}' if known else 'an unknown number of'} {name}"


def _file_system(system: FileSystem) -> str:
    size, rate = system.tebibytes, system.gigabytes_per_second
    tib = f"{tebibytes(size * GIB_PER_TIB)} of " if isinstance(size, float | int) else ""
    fast = f" at {rate:,.3g} GB/s" if isinstance(rate, float | int) else ""
    return f"{tib}{system.kind}{fast}"


def _where(topologies: Sequence[Topology]) -> str:
    regions = {t.region for t in topologies if not isinstance(t.region, NotKnown)}
    subnets = [subnet for t in topologies for vpc in t.vpcs for subnet in vpc.subnets]
    zones = {s.zone for s in subnets if not isinstance(s.zone, NotKnown) and not s.empty}
    found = " and ".join(sorted(zones)), ", ".join(sorted(regions))
    where = " of ".join(filter(None, found))
    return f" in {where}" if where else ""


def file_name(title: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(title).name)
    return kept.strip("-.")[:80] or "review"
