"""The functions that aws-cdk-lib brings along for its own custom resources."""

import aws_cdk as cdk
from constructs import IConstruct

SUFFIX = "CustomResourceProvider"


def drop_redundant_dependencies(scope: IConstruct) -> None:
    """Remove the DependsOn between function and role that `Fn::GetAtt` states already.

    aws-cdk-lib 2.275 writes both, and cfn-lint (W3005) says so for every template that has one.
    """
    for construct in scope.node.find_all():
        role = construct.node.try_find_child("Role")
        handler = construct.node.try_find_child("Handler")
        if (
            construct.node.id.endswith(SUFFIX)
            and isinstance(role, cdk.CfnResource)
            and isinstance(handler, cdk.CfnResource)
        ):
            handler.remove_resource_dependency(role)
