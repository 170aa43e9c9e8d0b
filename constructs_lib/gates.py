"""The validations that make an app's synthesis fail."""

from functools import cache

import aws_cdk as cdk

from constructs_lib.ultracluster_rules import UltraClusterRules


@cache
def _template_validation() -> cdk.CloudFormationValidatePlugin:
    """Return CDK's own validator, one for all apps: creating it takes Node most of a second."""
    return cdk.CloudFormationValidatePlugin()


def add_gates(app: cdk.App) -> None:
    """Make an app's synthesis fail if a template breaks a rule.

    The rules are CDK's own template validation, cdk-nag's AwsSolutions and NIST 800-53 R5, and the
    fabric rules. Each finding names its construct; `cdk.Validations.of(construct).acknowledge`
    excuses one, with a reason.

    Args:
        app: the app whose stacks are validated.
    """
    # Imported here, so that a user of single constructs does not load cdk-nag into Node.
    from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks  # noqa: PLC0415

    cdk.Validations.of(app).add_plugins(
        _template_validation(),
        AwsSolutionsChecks(app),
        NIST80053R5Checks(app),
        UltraClusterRules(),
    )
