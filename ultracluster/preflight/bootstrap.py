"""The CDK bootstrap stack of the account and Region."""

from collections.abc import Iterator
from typing import Final

from ultracluster.preflight.finding import Check, Finding, Situation, failed, passed
from ultracluster.preflight.inquiry import UnansweredError, question

QUALIFIER: Final = "hnb659fds"
"""CDK's default qualifier, which the app does not change."""
OLDEST_VERSION: Final = 6
"""What a template asks of the stack (rule CheckBootstrapVersion in `golden/`, by aws-cdk-lib
2.275.0's default synthesizer)."""


def _version(situation: Situation) -> Iterator[Finding]:
    name = f"/cdk-bootstrap/{QUALIFIER}/version"
    asked = question("ssm", "get_parameter", Name=name)
    where = f"aws://{situation.caller.account}/{situation.spec.region}"
    command = f"npx cdk bootstrap {where}"
    try:
        version = int(situation.ask(asked)["Parameter"]["Value"])
    except UnansweredError as error:
        if error.code != "ParameterNotFound":
            raise
        yield failed(
            f"bootstrap stack of {where}",
            "none",
            f"version {OLDEST_VERSION} or later",
            "bootstrap the account in this Region once",
            question=asked,
            fix_command=command,
        )
        return
    if version < OLDEST_VERSION:
        yield failed(
            f"bootstrap stack of {where}",
            f"version {version}",
            f"version {OLDEST_VERSION} or later",
            "bootstrap again, by the CDK CLI of the lock file",
            question=asked,
            fix_command=command,
        )
    else:
        yield passed(f"bootstrap stack of {where}", f"version {version}", asked)


CHECKS: Final = (Check("bootstrap-version", "The bootstrap stack is recent enough", _version),)
