"""Branches of a shell script that the script itself decides."""

import pytest

from ultracluster.model.shell_branches import living

FETCH = "curl https://example.com/x"


@pytest.mark.parametrize(
    "script",
    [
        'if [ "false" = "true" ]; then\n  curl https://example.com/x\nfi',
        'if [[ "false" == "true" ]]; then curl https://example.com/x; fi',
        "if test no = yes\nthen\n  curl https://example.com/x\nfi",
        "if false; then curl https://example.com/x; fi",
        'if [ ! "true" = "true" ]; then curl https://example.com/x; fi',
        'if ! [ -z "" ]; then curl https://example.com/x; fi',
        'if [ -n "" ]; then\ncurl https://example.com/x\nelse\necho no\nfi',
        'if [ "true" = "true" ]; then\necho yes\nelse\ncurl https://example.com/x\nfi',
        "if [ a = b ]; then echo\nelif [ c = d ]; then\ncurl https://example.com/x\nelse echo\nfi",
        'if [ a = b ]; then\n if [ "$X" = y ]; then\n  curl https://example.com/x\n fi\nfi',
        'DEPLOY="false"\nif [ "$DEPLOY" = "true" ]; then\n  curl https://example.com/x\nfi',
        'DEPLOY=false\nif [ "${DEPLOY:-true}" = "true" ]; then curl https://example.com/x; fi',
        'if [ "$A" = 1 ] && [ "false" = "true" ]; then\n curl https://example.com/x\nfi',
        "if [ 0 -gt 0 ]; then curl https://example.com/x; fi",
        '[ "false" = "true" ] && curl https://example.com/x',
        'case "false" in\n true)\n  curl https://example.com/x\n  ;;\n *) echo no ;;\nesac',
        'case "a" in a|b) echo ;; *) curl https://example.com/x ;; esac',
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
        'D=false\nD=true\nif [ "$D" = "true" ]; then curl https://example.com/x; fi',
        'for D in a true; do\nif [ "$D" = "true" ]; then curl https://example.com/x; fi\ndone',
        'D=false\nread D\nif [ "$D" = "true" ]; then curl https://example.com/x; fi',
        'if [ a = b ] || [ "$A" = c ]; then curl https://example.com/x; fi',
        '[ "false" = "true" ] || curl https://example.com/x',
        '[ "false" = "true" ] && echo || curl https://example.com/x',
        'case "false" in\n true) echo ;;\n *)\n  curl https://example.com/x\n  ;;\nesac',
        'case "$1" in\n true) curl https://example.com/x ;;\nesac',
        "if [ a = b ]; then\ncurl https://example.com/x",
        "fi\nif [ a = b ]; then\ncurl https://example.com/x\nfi",
        "# if [ a = b ]; then\ncurl https://example.com/x\n# fi",
        "if which curl; then curl https://example.com/x; fi",
    ],
)
def test_a_branch_that_may_run_is_kept(script):
    """Where a script does not tell, everything counts."""
    assert FETCH in living(script)
