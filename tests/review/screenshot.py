"""Write the README's pictures of a review with a dangerous change: light and dark.

python -m tests.review.screenshot
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from golden.samples import SAMPLES
from tests.docs.test_commands import project
from tests.review.browser import Browser, Theme

SIZE = (1280, 940)
THEMES: tuple[Theme, ...] = ("light", "dark")
CHANGE = ('"10.1.0.0/22"', '"10.1.0.0/21"')
"""What README.md changes in environments/staging.py."""


def main() -> None:
    """Rewrite both."""
    with tempfile.TemporaryDirectory() as made:
        folder = project(Path(made))
        environment = folder / "environments" / "staging.py"
        environment.write_text(environment.read_text().replace(*CHANGE))
        review = [sys.executable, "-m", "ultracluster.cli", "review", "staging"]
        subprocess.run(review, cwd=folder, check=True)
        browser = Browser(folder / "profile")
        for theme in THEMES:
            page = browser.open(folder / "build/review/staging.html", width=SIZE[0], theme=theme)
            page.picture(SAMPLES / f"change-{theme}.webp", *SIZE)
        browser.close()


if __name__ == "__main__":
    main()
