"""Write a sample report of each environment, compared with its golden templates.

python -m golden.samples
"""

import tempfile
from pathlib import Path
from typing import Final

import app
from golden.generate import ENVIRONMENTS
from ultracluster.review.baseline import baseline
from ultracluster.review.page.pages import html, markdown
from ultracluster.review.report import Review, review
from ultracluster.review.subject import of_files
from ultracluster.spec.environment import EnvironmentSpec

SAMPLES: Final = Path(__file__).parents[1] / "docs" / "review"


def reviewed(assembly: Path, environment: EnvironmentSpec) -> Review:
    """Return the review of an environment in an assembly of the app."""
    subject = of_files([str(assembly / f"assembly-{environment.name}")], spec=environment)
    return review(subject, baseline("golden", subject), parameters={}, region=environment.region)


def samples(assembly: Path) -> dict[str, str]:
    """Return the sample reports by file name.

    Args:
        assembly: the directory that the app was synthesized into.
    """
    found: dict[str, str] = {}
    for environment in ENVIRONMENTS:
        made = reviewed(assembly, environment)
        found[f"{environment.name}.html"] = html(made)
        found[f"{environment.name}.md"] = markdown(made)
    return found


def main() -> None:
    """Rewrite every sample, and remove those of environments that are gone."""
    with tempfile.TemporaryDirectory() as directory:
        app.build(ENVIRONMENTS, outdir=directory).synth()
        found = samples(Path(directory))
    SAMPLES.mkdir(exist_ok=True)
    for old in (*SAMPLES.glob("*.html"), *SAMPLES.glob("*.md")):
        old.unlink()
    for name, text in found.items():
        (SAMPLES / name).write_text(text)


if __name__ == "__main__":
    main()
