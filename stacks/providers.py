"""The functions that aws-cdk-lib brings along for its own custom resources."""

from typing import Final

import aws_cdk as cdk

PROVIDERS: Final = (
    "Custom::S3AutoDeleteObjectsCustomResourceProvider",
    "Custom::VpcRestrictDefaultSGCustomResourceProvider",
)


def drop_redundant_dependencies(stack: cdk.Stack) -> None:
    """Remove the DependsOn between function and role that `Fn::GetAtt` states already.

    aws-cdk-lib 2.275 writes both, and cfn-lint (W3005) says so for every template that has one.
    """
    for name in PROVIDERS:
        provider = stack.node.try_find_child(name)
        if provider is None:
            continue
        role, handler = provider.node.find_child("Role"), provider.node.find_child("Handler")
        if isinstance(role, cdk.CfnResource) and isinstance(handler, cdk.CfnResource):
            handler.remove_resource_dependency(role)
