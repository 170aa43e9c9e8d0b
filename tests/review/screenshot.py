"""Write the README's pictures of a sample report: light and dark.

python -m tests.review.screenshot
"""

import base64
import tempfile
from pathlib import Path

from golden.samples import SAMPLES
from tests.review.browser import Browser, Theme

SIZE = (1280, 1180)
THEMES: tuple[Theme, ...] = ("light", "dark")


def main() -> None:
    """Rewrite both."""
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(Path(profile))
        for theme in THEMES:
            page = browser.open(SAMPLES / "ultracluster.html", width=SIZE[0], theme=theme)
            page.resize(*SIZE)
            answer = page.ask("Page.captureScreenshot", format="webp", quality=88)
            (SAMPLES / f"ultracluster-{theme}.webp").write_bytes(base64.b64decode(answer["data"]))
        browser.close()


if __name__ == "__main__":
    main()
