"""The key of a linked bucket: whether its policy admits a role that is not there yet."""

import pytest

from tests.preflight.account import Answering
from tests.preflight.changes import Change, answered
from tests.preflight.specs import ACCOUNT, GIVEN, NOW, ROLE
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import preflight


def key_policy(statement: str) -> Change:
    """Return a change of the policy of the bucket's key."""
    return answered("kms", "get_key_policy", Policy=f'{{"Statement": [{statement}]}}')


ROOT = f'{{"AWS": "arn:aws:iam::{ACCOUNT}:root"}}'
ALLOW = '"Effect": "Allow", "Action": "kms:*", "Resource": "*"'


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        (f'{{{ALLOW}, "Principal": "*"}}', Verdict.PASS),
        (f'{{{ALLOW}, "Principal": {ROOT}}}', Verdict.FAIL),
        (f'{{{ALLOW}, "Principal": {{"AWS": "{ROLE[:-1]}old"}}}}', Verdict.FAIL),
        (
            (
                f'{{{ALLOW}, "Principal": "*", '
                '"Condition": {"StringEquals": {"kms:CallerAccount": "999999999999"}}}'
            ),
            Verdict.FAIL,
        ),
        (
            (
                f'{{{ALLOW}, "Principal": "*", '
                '"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}'
            ),
            Verdict.SKIP,
        ),
        (
            (
                f'{{{ALLOW}, "Principal": "*"}}, '
                '{"Effect": "Deny", "Action": "kms:Decrypt", "Principal": "*", "Resource": "*"}'
            ),
            Verdict.FAIL,
        ),
        (
            (
                f'{{{ALLOW}, "Principal": "*"}}, '
                '{"Effect": "Deny", "Action": "kms:Decrypt", "Principal": "*", "Resource": "*", '
                '"Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}}'
            ),
            Verdict.SKIP,
        ),
        (
            '{"Effect": "Allow", "Action": "kms:Decrypt", "Principal": "*", "Resource": "*"}',
            Verdict.FAIL,
        ),
        (f'{{{ALLOW}, "Principal": "*"}}, {{{ALLOW}, "NotPrincipal": "*"}}', Verdict.PASS),
    ],
)
def test_a_key_admits_the_role_that_fsx_will_make(statement: str, verdict: Verdict):
    """The role does not exist yet, so that it is admitted by pattern; a condition may be open."""
    cloud = Answering()
    key_policy(statement)(cloud)

    (result,) = preflight(GIVEN, cloud, NOW, only=["bucket-key-policy"]).results
    assert [finding.verdict for finding in result.findings] == [verdict]
