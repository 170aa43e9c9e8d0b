"""Cloud assemblies (`cdk.out`): which templates they hold, and where those go.

Source: aws-cdk-lib 2.275.0, `cloud-assembly-schema` (manifest.json), read 2026-11-24.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ultracluster.templates.scope import mapping
from ultracluster.untrusted_file import UnreadableError, json_of, text_of

MANIFEST: Final = "manifest.json"
_STACK: Final = "aws:cloudformation:stack"
_ASSEMBLY: Final = "cdk:cloud-assembly"
_DEEPEST: Final = 20
_ENVIRONMENT: Final = "aws://"
_ASSET: Final = re.compile(r"\b([0-9a-f]{64})\.json")


Metadata = Mapping[str, list[dict[str, Any]]]
"""What CDK notes of constructs, by their path."""


@dataclass(frozen=True, slots=True)
class StackArtifact:
    """One stack of an assembly."""

    name: str
    """Its artifact id, unique in the assembly."""
    template: Path
    stack_name: str | None
    account: str | None
    region: str | None
    protected: bool
    """Whether its stack has termination protection."""
    assembly: Path
    """The directory of the stage that it belongs to."""
    metadata: Metadata

    def nested_template(self, resource: Mapping[str, Any]) -> Path | None:
        """Return the file of a nested stack, None where it is not known.

        The CDK CLI has its path written into metadata; else the list of assets has it.
        """
        asset = mapping(resource.get("Metadata")).get("aws:asset:path")
        if asset is None:
            url = json.dumps(mapping(resource.get("Properties")).get("TemplateURL"))
            found = _ASSET.search(url)
            assets = _read(self.assembly / f"{self.name}.assets.json")
            files = mapping(mapping(assets).get("files"))
            source = mapping(files.get(found[1]) if found else None).get("source")
            asset = mapping(source).get("path")
        return self.assembly / asset if isinstance(asset, str) and asset[-5:] == ".json" else None


def stacks(
    directory: Path, depth: int = 0, seen: set[Path] | None = None
) -> Iterator[StackArtifact]:
    """Yield every stack of an assembly and of the stages nested in it.

    Args:
        directory: of the assembly.
        depth: how many are around it.
        seen: those that were read before: one that is in itself would have no end.

    Raises:
        UnreadableError: where the directory is no assembly.
    """
    seen = set() if seen is None else seen
    manifest = directory / MANIFEST
    if not manifest.is_file():
        raise UnreadableError(
            f"{directory}: not a cloud assembly, because it has no {MANIFEST}; "
            "name template files instead"
        )
    if depth > _DEEPEST:
        raise UnreadableError(f"{directory}: its assemblies are nested too deeply")
    if (own := directory.resolve()) in seen:
        raise UnreadableError(f"{directory}: the assembly holds it twice; it may be there once")
    seen.add(own)
    try:
        artifacts = json_of(manifest, text_of(manifest))["artifacts"].items()
    except (KeyError, TypeError, AttributeError):
        raise UnreadableError(f"{manifest}: not the manifest of a cloud assembly") from None
    for name, artifact in artifacts:
        properties = mapping(mapping(artifact).get("properties"))
        kind = mapping(artifact).get("type")
        if kind == _ASSEMBLY and isinstance(inner := properties.get("directoryName"), str):
            yield from stacks(directory / inner, depth + 1, seen)
        elif kind == _STACK and isinstance(file := properties.get("templateFile"), str):
            account, region = _environment(mapping(artifact).get("environment"))
            stack_name = properties.get("stackName", name)
            yield StackArtifact(
                name=name,
                template=directory / file,
                stack_name=stack_name if isinstance(stack_name, str) else None,
                account=account,
                region=region,
                protected=properties.get("terminationProtection") is True,
                assembly=directory,
                metadata=_metadata(directory, artifact),
            )


def _environment(written: Any) -> tuple[str | None, str | None]:
    """Return account and Region of `aws://account/region`, None where they are left open."""
    if not isinstance(written, str) or not written.startswith(_ENVIRONMENT):
        return None, None
    account, _, region = written.removeprefix(_ENVIRONMENT).partition("/")
    return _stated(account), _stated(region)


def _stated(value: str) -> str | None:
    return None if not value or value.startswith("unknown-") else value


def _metadata(directory: Path, artifact: Mapping[str, Any]) -> Metadata:
    # CDK may put the metadata of a stack into a file of its own.
    file = artifact.get("additionalMetadataFile")
    further = _read(directory / file) if isinstance(file, str) else None
    return {
        path: [entry for entry in entries if isinstance(entry, dict)]
        for path, entries in (mapping(artifact.get("metadata")) | mapping(further)).items()
        if isinstance(entries, list)
    }


def _read(file: Path) -> Any:
    """Return a JSON document, None where there is none: an assembly may be anybody's."""
    try:
        return json_of(file, text_of(file))
    except UnreadableError:
        return None
