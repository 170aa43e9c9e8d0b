"""Branches of a shell script that the script itself decides."""

import pytest

from ultracluster.model.shell_branches import living

FETCH = "curl https://example.com/x"


@pytest.mark.parametrize(
    "script",
    [
        'if [ "false" = "true" ]; then\n  curl https://example.com/x\nfi',
        'if [[ "false" == "true" ]]\nthen\n  curl https://example.com/x\nfi',
        'if [ "true" != "true" ]; then\n  curl https://example.com/x\nfi',
        "if [ true = true ]; then\necho yes\nelse\ncurl https://example.com/x\nfi",
        'if [ a = a ]; then echo\nelif [ "$A" = b ]; then echo\nelse\ncurl https://example.com/x\nfi',
        "if [ a = a ]; then echo\nelif $A; then echo\nelif $B; then\ncurl https://example.com/x\nfi",
        'if [ a = b ]; then\n if [ "$X" = y ]; then\n  curl https://example.com/x\n fi\nfi',
        'if [ "" = "true" ]; then\nif true; then echo; fi\ncurl https://example.com/x\nfi',
    ],
)
def test_a_branch_that_does_not_run_is_left_out(script):
    """What it would do, it does not."""
    assert FETCH not in living(script)
    assert FETCH in living(f"{script}\n{FETCH}")


@pytest.mark.parametrize(
    "script",
    [
        'if [ "true" = "true" ]; then\n  curl https://example.com/x\nfi',
        'if [ "$1" = "true" ]; then\n  curl https://example.com/x\nfi',
        'if [ "\x00" = "true" ]; then\n  curl https://example.com/x\nfi',
        "if [ a = b ]; then\necho\nelse\ncurl https://example.com/x\nfi",
        'if [ "$A" = b ]; then\necho\nelse\ncurl https://example.com/x\nfi',
        'if [ a = b ]; then echo\nelif [ "$A" = d ]; then echo\nelse curl https://example.com/x\nfi',
        "if [ a = b ]; then echo\nelif [ c = c ]; then\ncurl https://example.com/x\nfi",
        'if [ a = b ] || [ "$A" = c ]; then\ncurl https://example.com/x\nfi',
        'if [ "a" = "b" ]; then echo; fi\ncurl https://example.com/x',
        "if [ a = b ]; then\ncurl https://example.com/x",
        "fi\nif [ a = b ]; then\ncurl https://example.com/x\nfi",
        "# if [ a = b ]; then\ncurl https://example.com/x\n# fi",
        "if which curl; then curl https://example.com/x; fi",
    ],
)
def test_a_branch_that_may_run_is_kept(script):
    """Where a script does not tell, everything counts."""
    assert FETCH in living(script)
