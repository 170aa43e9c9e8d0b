"""What is reviewed: an environment, an assembly or files; and what is known of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from ultracluster.command_line import progress
from ultracluster.environments import project_folder
from ultracluster.exit_status import CommandError
from ultracluster.input_files import Sources
from ultracluster.synthesis import STAGE, Synthesis
from ultracluster.templates.assembly import MANIFEST
from ultracluster.templates.resolved import Template
from ultracluster.templates.scope import mapping
from ultracluster.untrusted_file import UnreadableError, json_of, text_of

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec

TEMPLATES: Final = ("*.json", "*.yaml", "*.yml", "*.template")
"""Files of a folder that are templates."""


class SubjectError(CommandError):
    """Something that cannot be reviewed as it was given; one line that says why."""


@dataclass(frozen=True)
class Subject:
    """Templates to review."""

    title: str
    sources: Sources
    """Every template carries the name of its stack, as far as that is known."""
    assembly: Path | None = None
    """Where the assembly lies that it was read from."""
    environment: str | None = None
    """Environment of this repository that it is, if it is one."""
    spec: "EnvironmentSpec | None" = None
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def templates(self) -> Sequence[Template]:
        return self.sources.templates


def golden_folder() -> Path:
    """Return where the project keeps the templates that reviews compare with."""
    return project_folder() / "golden"


def of_files(given: Sequence[str], *, spec: "EnvironmentSpec | None" = None) -> Subject:
    """Return files and assemblies as they were named on a command line.

    Raises:
        SubjectError: with everything that cannot be read.
    """
    given = expanded(given)
    sources = Sources(given)
    if sources.errors:
        raise SubjectError("\n".join(sources.errors))
    assemblies = [Path(name) for name in given if (Path(name) / MANIFEST).is_file()]
    assembly = assemblies[0] if len(assemblies) == 1 else None
    environment = None
    if assembly is not None and assembly.name.startswith(STAGE):
        environment = assembly.name.removeprefix(STAGE)
    elif assembly is None:
        environment = _golden(given)
    title = environment or _title([Path(name.rpartition("=")[2]) for name in given])
    sources.rename(_stack_names(sources.templates, environment))
    return Subject(title, sources, assembly, environment, spec)


def expanded(given: Sequence[str]) -> list[str]:
    """Return what is given with the templates of folders in their place; assemblies stay."""
    found: list[str] = []
    for name in given:
        folder = Path(name)
        whole = (folder / MANIFEST).is_file()
        inside = [str(f) for kind in TEMPLATES for f in sorted(folder.glob(kind)) if not whole]
        found += inside if folder.is_dir() and inside else [name]
    return found


def without_templates(folder: Path) -> bool:
    """Whether a folder is no assembly, and no template lies in it."""
    whole = (folder / MANIFEST).is_file()
    return folder.is_dir() and not whole and expanded([str(folder)]) == [str(folder)]


def _title(paths: Sequence[Path]) -> str:
    """Return what files are together: the one file, or the folder that holds all."""
    folders = {path.resolve().parent for path in paths}
    if len(paths) == 1:
        return paths[0].resolve().name
    return folders.pop().name if len(folders) == 1 else f"{paths[0].name} and {len(paths) - 1} more"


def _golden(given: Sequence[str]) -> str | None:
    """Return the environment whose golden templates are given."""
    folders = {Path(name.partition("=")[2] or name).resolve().parent for name in given}
    folder = folders.pop() if len(folders) == 1 else Path()
    return folder.name if folder.parent == golden_folder().resolve() else None


def _stack_names(templates: Sequence[Template], environment: str | None) -> Mapping[str, str]:
    """Return by the name of each template that of its stack; no two are equal."""
    names: dict[str, str] = {}
    for template in templates:
        wanted = template.stack_name or template.name
        if environment is not None and not wanted.startswith(f"{environment}-"):
            wanted = f"{environment}-{wanted}"
        names[template.name] = wanted if wanted not in names.values() else template.name
    return names


@contextmanager
def synthesized(spec: "EnvironmentSpec", path: Path | None) -> Iterator[Subject]:
    """Give an environment, freshly synthesized; findings of its gates do not stop it.

    Raises:
        SynthesisError: where it cannot be synthesized at all.
    """
    with Synthesis(spec, path) as synthesis:
        with progress(f"synthesizing {spec.name}"):
            stage = synthesis.stage()
        subject = of_files([str(stage)], spec=spec)
        gates = "Synthesis was stopped by a gate; what it found is below."
        notes = [gates] if synthesis.refused else []
        yield replace(subject, title=spec.name, environment=spec.name, notes=notes)


REPORT: Final = "validation-report.json"
OWN: Final = "UltraCluster"
"""Plugin whose open findings the review makes itself; what is excused of it is taken from here."""


@dataclass(frozen=True)
class PackFinding:
    """A finding of a rule pack, open or acknowledged by somebody."""

    pack: str
    rule: str
    what: str
    severity: str
    construct: str
    reason: str
    """Why it was acknowledged; empty where it is open."""
    at: str
    """Where the acknowledgement is written."""


@dataclass(frozen=True)
class Packs:
    """What all packs said."""

    conclusions: dict[str, str]
    findings: Sequence[PackFinding]
    excused: Sequence[PackFinding]


def read_packs(assembly: Path, constructs: Iterable[str]) -> Packs | None:
    """Return what a report says of some constructs, None where there is none.

    Args:
        assembly: directory of an app or of a stage in it.
        constructs: construct paths of the reviewed templates; what belongs to none is left out.
    """
    path = next((p / REPORT for p in (assembly, assembly.parent) if (p / REPORT).is_file()), None)
    if path is None:
        return None
    try:
        plugins = list(json_of(path, text_of(path))["pluginReports"])
    except (UnreadableError, KeyError, TypeError):
        return None
    # A pack may name a parent of the resource.
    paths = [PurePosixPath(each) for each in constructs]
    known = {str(above) for each in paths for above in (each, *each.parents)}
    mine = {str(p.get("pluginName")): p for p in plugins if isinstance(p, dict)}

    def said(kind: str) -> list[PackFinding]:
        found = (_findings(name, plugin.get(kind), known) for name, plugin in mine.items())
        return [finding for each in found for finding in each]

    return Packs(
        {name: str(plugin.get("conclusion")) for name, plugin in mine.items()},
        [finding for finding in said("violations") if finding.pack != OWN],
        said("suppressedViolations"),
    )


def _findings(pack: str, found: Any, known: set[str]) -> Iterator[PackFinding]:
    names = ("ruleName", "description", "severity", "reason", "acknowledgedAt")
    for violation in map(mapping, found if isinstance(found, list) else []):
        rule, what, severity, *excuse = (str(violation.get(name, "")) for name in names)
        constructs = violation.get("violatingConstructs")
        for construct in map(mapping, constructs if isinstance(constructs, list) else []):
            path = str(construct.get("constructPath", ""))
            if path in known:
                yield PackFinding(pack, rule, what, severity, path, *excuse)
