"""The page of the first hour, typed: an emulated AWS with fake nodes does what the page prints."""

import json
import re
import sys
from pathlib import Path

from tests.accept.conftest import IMAGE_ID, World
from tests.docs.pages import Page
from tests.docs.terminal import Reader
from tests.repository import ROOT
from ultracluster.catalogue.images import EXAMPLE_IMAGE

ULTRACLUSTER = """#!/bin/bash
# Nothing is waited for.
[[ $1 != accept ]] || set -- "$@" --patience 0.02
{python} -m tests.made_before {assembly} "$@"
status=$?
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
    written = (ROOT / "environments" / "staging.py").read_text()
    named = re.sub(r"notify=\(.*?\)", "notify=()", written.replace(EXAMPLE_IMAGE, IMAGE_ID))
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "staging.py").write_text(named)

    assert page.unexplained() == []
    with Reader(tmp_path, world.settings, f"PATH={programs}:$PATH") as reader:
        reader.follow(page)

    assert world.left_in_account() == []
