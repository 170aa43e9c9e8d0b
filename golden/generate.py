"""Write what reviews compare: the template of each stack and the cost sheet of each environment.

Logical ids of new environments are frozen as well; those that are frozen are never rewritten.

python -m golden.generate
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Final

import app
from golden.pages import rendered
from golden.stateful import freeze
from ultracluster.catalogue.prices import HOURS_PER_MONTH
from ultracluster.cost.page import limits, page
from ultracluster.environments import registered
from ultracluster.spec.environment import EnvironmentSpec

GOLDEN: Final = Path(__file__).parent
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
                found[f"{stack}.template.json"] = text
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


def main() -> None:
    """Rewrite every golden file, and remove those of environments that are gone."""
    with tempfile.TemporaryDirectory() as directory:
        app.build(ENVIRONMENTS, outdir=directory).synth()
        made = templates(Path(directory), ENVIRONMENTS)
    found = {**made, **sheets(ENVIRONMENTS)}
    for old in GOLDEN.glob("*/"):
        shutil.rmtree(old)
    for name, text in found.items():
        path = GOLDEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    freeze(made)


if __name__ == "__main__":
    main()
