"""The templates and job files of a command line, in groups that are deployed together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ultracluster.job_files import reading as job_files
from ultracluster.rules.acknowledgements import Acknowledgement, paths, recorded
from ultracluster.templates.assembly import Metadata, StackArtifact, stacks
from ultracluster.templates.file_reading import Document, parsed, read
from ultracluster.templates.resolution import resolved_group
from ultracluster.templates.resolved import Place, ResolvedGroup, Template
from ultracluster.templates.scope import as_text, is_list, mapping, section
from ultracluster.templates.stacks import Stacks
from ultracluster.untrusted_file import UnreadableError, text_of


@dataclass
class _Source:
    """One template and where it was found."""

    template: Template
    path: Path
    assembly: Path | None
    """Directory of the stage; None for a file named on the command line."""
    imports: bool
    """Whether it may import values of other stacks."""


class Sources:
    """All templates of a command line; errors are collected until all files were read."""

    def __init__(self, given: Iterable[str]) -> None:
        """Read files, assemblies, and `STACK=FILE` for a file whose stack has a known name."""
        self.errors: list[str] = []
        self._sources: list[_Source] = []
        self._metadata: dict[Path, Metadata] = {}
        self._names: set[str] = set()
        self._groups: dict[tuple[object, ...], list[list[Template]]] = {}
        self._resolved: dict[tuple[object, ...], ResolvedGroup] = {}
        for argument in given:
            try:
                self._add(argument)
            except UnreadableError as error:
                self.errors.append(str(error))
        self._nest()

    @property
    def templates(self) -> list[Template]:
        """Every template in the order in which it was found."""
        return [source.template for source in self._sources]

    def acknowledged(self) -> list[Acknowledgement]:
        """Return what the apps of the assemblies acknowledge of these rules."""
        return [entry for metadata in self._metadata.values() for entry in recorded(metadata)]

    def construct_path(self, place: Place) -> str:
        """Return the path of a resource's construct; empty if it is not known."""
        if place.construct_path is not None:
            return place.construct_path
        metadata = self._metadata.get(Path(place.file or ""), {})
        return paths(metadata).get(place.logical_id, "")

    def _grouped(self, parameters: Mapping[str, str], region: str | None) -> list[list[Template]]:
        """Return the templates in independent groups."""
        # No stack takes anything of another stage or Region.
        together: dict[tuple[Path | None, str | None], list[_Source]] = {}
        for source in self._sources:
            key = (source.assembly, source.template.region or region)
            together.setdefault(key, []).append(source)
        groups: list[list[Template]] = []
        for sources in together.values():
            templates = [source.template for source in sources]
            if any(source.imports or source.template.nested_in for source in sources):
                groups += Stacks(templates, parameters, region).connected()
            else:
                groups += [[template] for template in templates]
        return groups

    def resolved(
        self, parameters: Mapping[str, str], region: str | None, *, every_value: bool
    ) -> list[ResolvedGroup]:
        """Return the templates in independent groups, with all variants of each group.

        Args:
            parameters: values by parameter name, or by `template:parameter`.
            region: the Region of templates that do not name one.
            every_value: whether all allowed values of other parameters are checked.
        """
        found: list[ResolvedGroup] = []
        given = (*sorted(parameters.items()), region)
        if given not in self._groups:
            self._groups[given] = self._grouped(parameters, region)
        for group in self._groups[given]:
            # Where no parameter has allowed values both ways are one, and resolved once.
            declared = (section(each.body, "Parameters").values() for each in group)
            every = every_value and any("AllowedValues" in mapping(p) for d in declared for p in d)
            key = (*(template.name for template in group), *given, every)
            if key not in self._resolved:
                self._resolved[key] = resolved_group(group, parameters, region, every_value=every)
            found.append(self._resolved[key])
        return found

    def rename(self, names: Mapping[str, str]) -> None:
        """Give every template another name; no two of them may be equal."""
        self._groups.clear()
        self._resolved.clear()
        for source in self._sources:
            old = source.template
            outer = old.nested_in and (names[old.nested_in[0]], old.nested_in[1])
            source.template = replace(old, name=names[old.name], nested_in=outer)

    def _add(self, argument: str) -> None:
        path, stack_name = Path(argument), None
        if not path.exists() and "=" in argument:
            stack_name, _, file = argument.partition("=")
            path = Path(file)
        if path.is_dir():
            found = list(stacks(path))
            if not found:
                raise UnreadableError(f"{path}: the cloud assembly holds no stack")
            for artifact in found:
                try:
                    self._add_artifact(artifact)
                except UnreadableError as error:  # the others are judged all the same
                    self.errors.append(str(error))
            return
        name = stack_name or path.stem.removesuffix(".template")
        text = text_of(path)
        document = job_files.document(path, text) or parsed(path, text)
        self._keep(document, path, None, name=name, stack_name=stack_name)

    def _add_artifact(self, artifact: StackArtifact) -> None:
        path = artifact.template
        self._metadata[path] = artifact.metadata
        template = self._keep(
            read(path, of_app=True),
            path,
            artifact.assembly,
            name=artifact.name,
            region=artifact.region,
            account=artifact.account,
            stack_name=artifact.stack_name,
            protected=artifact.protected,
        )
        self._add_nested(template, artifact)

    def _add_nested(self, outer: Template, artifact: StackArtifact) -> None:
        """Add the templates that a stack of an assembly nests."""
        for logical_id, body in nested_stacks(outer.body):
            path = artifact.nested_template(body)
            known = {source.path for source in self._sources}
            if path is None or path in known or not path.is_file():
                continue
            inner = self._keep(
                read(path),
                path,
                artifact.assembly,
                name=path.name.split(".")[0],
                region=outer.region,
                account=outer.account,
                protected=outer.protected,
                nested_in=(outer.name, logical_id),
            )
            self._divide(Path(outer.file or ""), logical_id, path)
            self._add_nested(inner, artifact)

    def _divide(self, outer: Path, logical_id: str, inner: Path) -> None:
        """Give the template of a nested stack what CDK notes of constructs in it.

        It notes them with those of the outer stack, which may have the same logical ids.
        """
        known = self._metadata.get(outer, {})
        scope, of_cdk, _ = paths(known).get(logical_id, "").rpartition(".NestedStack/")
        mine = {path for path in known if of_cdk and path.startswith(f"/{scope}/")}
        self._metadata[inner] = {path: known[path] for path in mine}
        self._metadata[outer] = {path: known[path] for path in known if path not in mine}

    def _keep(
        self, document: Document, path: Path, assembly: Path | None, *, name: str, **more: Any
    ) -> Template:
        """Keep the template of a document; what more is known of it is of its stack."""
        template = Template(
            name=self._free(name, path),
            body=document.body,
            file=str(path),
            lines=document.lines,
            size=document.size,
            **more,
        )
        self._sources.append(_Source(template, path, assembly, document.imports))
        return template

    def _free(self, wanted: str, path: Path) -> str:
        """Return a name that no other template has: the one that is wanted, or else its path."""
        number = 1
        name = wanted
        while name in self._names:
            name = str(path) if number == 1 else f"{path} ({number})"
            number += 1
        self._names.add(name)
        return name

    def _nest(self) -> None:
        """Note which named file another named file nests, by the path in its TemplateURL.

        Of a template that lies in S3 the name of its file is compared, where one file has it.
        """
        files = {source.path.resolve(): source for source in self._sources if not source.assembly}
        by_name: dict[str, list[Path]] = {}
        for path in files:
            by_name.setdefault(path.name, []).append(path)
        uses: dict[Path, list[tuple[str, str]]] = {}
        remote: dict[Path, list[tuple[str, str]]] = {}
        for source in files.values():
            for logical_id, body in nested_stacks(source.template.body):
                url = section(body, "Properties").get("TemplateURL")
                own = (source.template.name, logical_id)
                named = by_name.get(_file_name(url), [])
                if isinstance(url, str) and "://" not in url:
                    inner = _beside(source.path, url)
                    if inner in files and files[inner] is not source:
                        uses.setdefault(inner, []).append(own)
                elif len(named) == 1 and files[named[0]] is not source:
                    remote.setdefault(named[0], []).append(own)
        # A path says for sure which file is meant, and a name does not.
        for path, places in {**remote, **uses}.items():
            # One file may make several stacks with different parameters: then it stands alone.
            if len(places) == 1:
                found = files[path]
                found.template = replace(found.template, nested_in=places[0])


def _beside(path: Path, url: str) -> Path:
    """Return the file that a path in a template means; what is no path means the template."""
    try:
        return (path.parent / url).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL
        return path.resolve()


def _file_name(url: Any) -> str:
    """Return the name of the file at the end of a TemplateURL, empty where it is not written."""
    if isinstance(url, dict) and len(url) == 1:
        (function, argument), *_ = url.items()
        if function == "Fn::Sub":
            url = argument[0] if isinstance(argument, list) and argument else argument
        elif function == "Fn::Join" and isinstance(argument, list) and argument[1:]:
            parts = argument[1]
            url = parts[-1] if isinstance(parts, list) and parts else None
    name = url.rsplit("/", maxsplit=1)[-1] if isinstance(url, str) else ""
    return "" if "$" in name else name


def nested_stacks(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for logical_id, resource in body["Resources"].items():
        if isinstance(resource, dict) and resource.get("Type") == "AWS::CloudFormation::Stack":
            yield logical_id, resource


def parameter_errors(given: Mapping[str, str], templates: Sequence[Template]) -> Iterator[str]:
    """Yield what is wrong with values of `--parameter`: names that nothing has, values refused."""
    for name, value in given.items():
        declared = [
            parameters[bare]
            for template in templates
            for bare in [name.removeprefix(f"{template.name}:")]
            if bare in (parameters := section(template.body, "Parameters"))
        ]
        if not declared:
            yield f"--parameter {name}: no given template has a parameter of that name"
        for one in declared:
            allowed = mapping(one).get("AllowedValues")
            if isinstance(allowed, list) and allowed and not is_list(str(one.get("Type"))):
                texts = [as_text(text) for text in allowed]
                if value not in texts:
                    yield f"--parameter {name}={value}: it takes {', '.join(texts[:20])}"
                    break
