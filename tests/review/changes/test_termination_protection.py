"""Termination protection stands in no template, and switching it off is a change all the same."""

import json
from pathlib import Path

from tests.review.subjects import ROOT, golden, reviewed
from ultracluster.review.baseline import baseline
from ultracluster.review.changes.change import Danger
from ultracluster.review.page.causes import grouped
from ultracluster.review.subject import of_files


def assembly(folder: Path, *, protected: bool) -> str:
    """Return an assembly of two stacks that differs from another by its manifest alone."""
    folder.mkdir()
    artifacts = {}
    for name in ("One", "Two"):
        (folder / f"{name}.template.json").write_text(json.dumps({"Resources": {}}))
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "properties": {
                "templateFile": f"{name}.template.json",
                "terminationProtection": protected,
            },
        }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return str(folder)


def test_protection_that_is_switched_off_loosens_security(tmp_path: Path):
    """Whoever may delete stacks could not delete these, and can now."""
    before = assembly(tmp_path / "before", protected=True)
    after = assembly(tmp_path / "after", protected=False)

    found = reviewed([after], before).changes
    assert [(c.stack, c.worst) for c in found] == [
        ("One", Danger.LOOSENS_SECURITY),
        ("Two", Danger.LOOSENS_SECURITY),
    ]
    (group,) = grouped(found)
    assert len(group.changes) == 2
    assert group.cause == "TerminationProtection of One, Two: true → false"
    assert [c.worst for c in reviewed([before], after).changes] == [Danger.HARMLESS] * 2
    assert reviewed([after], after).changes == ()


def test_a_revision_tells_it_by_its_environment_file():
    """Golden templates do not hold it; their environment's file does, for stacks that hold data."""
    assert (ROOT / ".git").exists(), "the repository's own history is needed"
    kept = {"ultracluster-Network", "ultracluster-Storage"}
    for environment, protected in (("dev", set()), ("ultracluster", kept)):
        found = baseline("HEAD", of_files(golden(environment)))
        assert found is not None
        assert {t.name for t in found.templates if t.protected} == protected
        unknown = {t.name for t in found.templates if t.protected is None}
        assert unknown == {f"{environment}-Cluster"}


def test_templates_alone_tell_nothing_of_it(tmp_path: Path):
    """What is not known is no change."""
    before = assembly(tmp_path / "before", protected=True)
    files = [str(tmp_path / "before" / f"{name}.template.json") for name in ("One", "Two")]
    assert reviewed(files, before).changes == ()
