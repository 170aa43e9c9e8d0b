"""The CDK bootstrap stack of the account and Region."""

from collections.abc import Iterator
from typing import Final

from ultracluster.preflight.finding import Check, Finding, Situation, failed, passed
from ultracluster.preflight.inquiry import question

QUALIFIER: Final = "hnb659fds"
"""CDK's default qualifier, which the app does not change."""
OLDEST_VERSION: Final = 6
"""What a template asks of the stack (rule CheckBootstrapVersion in `golden/`, by aws-cdk-lib
2.275.0's default synthesizer)."""


def _version(situation: Situation) -> Iterator[Finding]:
    name = f"/cdk-bootstrap/{QUALIFIER}/version"
    asked = question("ssm", "get_parameter", Name=name)
    where = f"aws://{situation.caller.account}/{situation.spec.region}"
    subject = f"bootstrap stack of {where}"
    answer = situation.ask_unless(asked, "ParameterNotFound")
    version = int(answer["Parameter"]["Value"]) if answer else 0
    if version >= OLDEST_VERSION:
        yield passed(subject, f"version {version}", asked)
        return
    again = "bootstrap again, by the CDK CLI of the lock file"
    yield failed(
        subject,
        f"version {version}" if version else "none",
        f"version {OLDEST_VERSION} or later",
        again if version else "bootstrap the account in this Region once",
        question=asked,
        fix_command=f"npx cdk bootstrap {where}",
    )


CHECKS: Final = (Check("bootstrap-version", "The bootstrap stack is recent enough", _version),)
