"""Regions in which AWS PCS is newer than the validator that aws-cdk-lib brings along."""

from typing import Final

import aws_cdk as cdk

from constructs_lib.acknowledgement import acknowledge

UNKNOWN_TO_CDK: Final = frozenset({"ap-south-2", "ca-central-1"})
"""Regions whose registry has `AWS::PCS::*` (cfn-lint 1.58.0, schemas of 2026-10-20), and which the
validator of aws-cdk-lib 2.275 refuses."""


def acknowledge_region(resource: cdk.CfnResource) -> None:
    """Acknowledge that the validator does not know a resource of PCS in its stack's Region."""
    if cdk.Stack.of(resource).region in UNKNOWN_TO_CDK:
        acknowledge(
            resource,
            {
                "CloudFormation-Validate::F3006": (
                    "The registry of this Region has the type since the validator's copy was made, "
                    "and CloudFormation itself refuses it where it has not."
                )
            },
        )
