"""The page of the first hour, typed: an emulated AWS with fake nodes does what the page prints."""

import json
import sys
from pathlib import Path

from tests.accept.conftest import World
from tests.docs.pages import Page
from tests.docs.terminal import Reader
from tests.repository import ROOT

ULTRACLUSTER = """#!/bin/bash
# A person answers every question with yes, and nothing is waited for.
[[ $1 != accept ]] || set -- "$@" --patience 0.02
yes | {python} -m tests.made_before {assembly} "$@"
status=${{PIPESTATUS[1]}}
# What an account lacks is no failure of the page: an emulated one has no quotas.
[[ $1 != preflight || $status -gt 2 ]] || status=0
exit "$status"
"""
NPX = f"""#!/bin/bash
shift
exec node {ROOT}/node_modules/aws-cdk/bin/cdk "$@"
"""


def test_the_first_hour_is_as_its_page_says(world: World, tmp_path: Path):
    """Every command of it, in its order, and what `accept` prints."""
    page = Page(ROOT / "docs" / "first-hour.md")
    programs = tmp_path / "bin"
    programs.mkdir()
    ultracluster = ULTRACLUSTER.format(python=sys.executable, assembly=world.assembly)
    for name, text in (("ultracluster", ultracluster), ("npx", NPX)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    settings = {"app": str(world.assembly), "requireApproval": "never"}
    (tmp_path / "cdk.json").write_text(json.dumps(settings))
    (tmp_path / "environments").symlink_to(ROOT / "environments")

    assert page.unexplained() == []
    with Reader(tmp_path, world.settings, f"PATH={programs}:$PATH") as reader:
        reader.follow(page)

    assert world.left_in_account() == []
