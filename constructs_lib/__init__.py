"""Constructs of an EC2 UltraCluster for other people's CDK apps.

from constructs_lib import EfaLaunchTemplate, FabricSecurityGroup, NodesSpec

`__init__.pyi` lists the module of each name, for type checkers and for this module. A name is
imported at its first use: importing this package or a spec does not start Node, as importing
`aws_cdk` does.
"""

import ast
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

from ultracluster.command_line import not_installed


@cache
def _modules() -> dict[str, str]:
    """Return the module of each name."""
    stub = ast.parse((files(__name__) / "__init__.pyi").read_text("utf-8"))
    return {
        alias.name: str(node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return list(_modules())
    if name not in _modules():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_modules()[name]), name)
    except ModuleNotFoundError as error:
        if how := not_installed(str(error.name)):
            raise ModuleNotFoundError(how, name=error.name) from None
        raise


def __dir__() -> list[str]:
    return sorted([*globals(), *_modules()])
