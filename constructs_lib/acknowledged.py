"""What an app acknowledges above its stacks, which no assembly records."""

from collections.abc import Iterator

import aws_cdk as cdk
from constructs import IConstruct

from ultracluster.rules.acknowledgements import Acknowledgement
from ultracluster.rules.assembly_metadata import KIND, acknowledgements


def above_stacks(scope: IConstruct) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements at an app, its stages and whatever else holds stacks."""
    for entry in scope.node.metadata:
        if entry.type == KIND:
            yield from acknowledgements(scope.node.path, entry.data, above=True)
    for child in scope.node.children:
        if not cdk.Stack.is_stack(child):
            yield from above_stacks(child)
