"""The gates that an app's synthesis passes through."""

from functools import cache

import aws_cdk as cdk

from constructs_lib.ultracluster_rules import UltraClusterRules


@cache
def _template_validation() -> cdk.CloudFormationValidatePlugin:
    """Return CDK's own validator: Node compiles it for most of a second, and keeps each one."""
    return cdk.CloudFormationValidatePlugin()


def add_gates(app: cdk.App) -> None:
    """Have an app fail its synthesis where a template breaks a rule.

    The rules are CDK's own template validation, cdk-nag's AwsSolutions and NIST 800-53 R5, and the
    fabric rules. Each finding names its construct; `cdk.Validations.of(construct).acknowledge`
    excuses one, with a reason.

    Args:
        app: whose stacks are judged.
    """
    # Imported here: who takes a construct alone does not load cdk-nag into Node.
    from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks  # noqa: PLC0415

    cdk.Validations.of(app).add_plugins(
        _template_validation(),
        AwsSolutionsChecks(app),
        NIST80053R5Checks(app),
        UltraClusterRules(),
    )
