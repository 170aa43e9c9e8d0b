"""Write what reviews compare: the template of each stack and the cost sheet of each environment.

Logical ids of new environments are frozen as well; those that are frozen are never rewritten. What
an update from the old templates to the new ones would do is printed, the worst first.

python -m golden.generate
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import app
from golden.pages import rendered
from golden.stateful import freeze
from ultracluster.catalogue.prices import HOURS_PER_MONTH
from ultracluster.cost.page import limits, page
from ultracluster.environments import registered
from ultracluster.review.changes.comparison import changes
from ultracluster.review.resolved import of_templates
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.templates.resolved import Template

GOLDEN: Final = Path(__file__).parent
SUFFIX: Final = ".template.json"
ENVIRONMENTS: Final = registered(GOLDEN.parent)


def templates(assembly: Path, environments: tuple[EnvironmentSpec, ...]) -> dict[str, bytes]:
    """Return the templates of an assembly by their golden path, `dev/Network.template.json`.

    Args:
        assembly: the directory that the app was synthesized into.
        environments: the environments in it.
    """
    found: dict[str, bytes] = {}
    for environment in environments:
        nested = assembly / f"assembly-{environment.name}"
        artifacts = json.loads((nested / "manifest.json").read_text())["artifacts"]
        for artifact in artifacts.values():
            if artifact["type"] == "aws:cloudformation:stack":
                stack = artifact["displayName"].split(" ")[0]
                text = (nested / artifact["properties"]["templateFile"]).read_bytes()
                found[f"{stack}{SUFFIX}"] = text
    return found


def sheets(environments: tuple[EnvironmentSpec, ...]) -> dict[str, bytes]:
    """Return the cost sheets by their golden path, `dev/cost.md`."""
    found: dict[str, bytes] = {}
    for environment in environments:
        sheet = environment.cost_sheet()
        text = rendered(
            "cost.md.jinja",
            name=environment.name,
            region=sheet.region,
            hours=HOURS_PER_MONTH,
            sheet=page(sheet),
            limits=limits(sheet, environment.budget),
        )
        found[f"{environment.name}/cost.md"] = text.encode()
    return found


def dangers(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[str]:
    """Yield a line for each change between the golden templates of each environment.

    Args:
        old: texts by golden path; those that are no templates are passed over.
        new: likewise.
    """
    regions = {environment.name: environment.region for environment in ENVIRONMENTS}
    found = [
        change
        for name in sorted({path.partition("/")[0] for path in (*old, *new)})
        for change in changes(
            *(of_templates(_of(name, files), {}, regions.get(name)) for files in (old, new))
        )
    ]
    for each in sorted(found, key=lambda change: change.worst.rank):
        place = " ".join(filter(None, (each.stack, each.resource, each.property)))
        yield f"{each.worst}: {place}: {each.what}"


def _of(environment: str, files: Mapping[str, bytes]) -> list[Template]:
    return [
        Template(path.removesuffix(SUFFIX).replace("/", "-"), json.loads(text))
        for path, text in files.items()
        if path.startswith(f"{environment}/") and path.endswith(SUFFIX)
    ]


def main() -> None:
    """Rewrite every golden file, and remove those of environments that are gone."""
    with tempfile.TemporaryDirectory() as directory:
        app.build(ENVIRONMENTS, outdir=directory).synth()
        made = templates(Path(directory), ENVIRONMENTS)
    found = {**made, **sheets(ENVIRONMENTS)}
    before = {
        path.relative_to(GOLDEN).as_posix(): path.read_bytes()
        for path in GOLDEN.glob(f"*/*{SUFFIX}")
    }
    for old in GOLDEN.glob("*/"):
        shutil.rmtree(old)
    for name, text in found.items():
        path = GOLDEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    freeze(made)
    sys.stdout.writelines(f"{line}\n" for line in dangers(before, made))


if __name__ == "__main__":
    main()
