"""`from constructs_lib import ...`: what it has, and what it costs."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import constructs_lib
from constructs_lib.acknowledgement import _flat
from constructs_lib.ultracluster_rules import UltraClusterRules
from ultracluster.rules.acknowledgements import OBJECTIONS
from ultracluster.rules.engine import RULES

STUB = ast.parse((Path(constructs_lib.__file__).parent / "__init__.pyi").read_text())
NAMES = {
    alias.name: str(node.module)
    for node in STUB.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def test_every_name_is_what_its_module_has():
    """Type checkers read the stub, Python does as it says."""
    for name, module in NAMES.items():
        assert getattr(constructs_lib, name) is getattr(importlib.import_module(module), name)
    assert set(NAMES) <= set(dir(constructs_lib))


def test_no_name_is_that_of_a_module():
    """Python would hand out the module as soon as something has imported it."""
    assert {m.name for m in pkgutil.iter_modules(constructs_lib.__path__)}.isdisjoint(NAMES)


def test_every_construct_can_be_imported_from_the_package():
    """What is defined in a module of its own and not named here is not found."""
    defined = {
        node.name
        for path in Path(constructs_lib.__file__).parent.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and ast.get_docstring(node, clean=False) is not None
        if not node.name.startswith("_")
    }
    assert defined - set(NAMES) == {"Endpoints", "NodeTemplate", "OwnSecurityGroup"}


def test_specs_start_no_node():
    """Importing aws_cdk starts Node, which takes a second; a file of specs needs none."""
    lines = (
        "import sys, constructs_lib",
        "from constructs_lib import EnvironmentSpec, LustreSpec, NodesSpec, SlurmSpec",
        "assert not {'aws_cdk', 'jsii', 'constructs'} & set(sys.modules), 'imported'",
        "from constructs_lib import FabricSecurityGroup",
        "assert 'aws_cdk' in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_a_star_brings_what_type_checkers_say_it_does():
    """It brought the names of this module's own imports, and no construct."""
    names: dict[str, object] = {}
    exec("from constructs_lib import *", names)  # noqa: S102 - a star stands in no function

    assert names.keys() - {"__builtins__"} == set(NAMES)


def test_a_name_that_is_not_there_is_an_import_error():
    """As of any other package."""
    command = "from constructs_lib import FabricSecurtyGroup"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=False
    )
    assert "ImportError: cannot import name 'FabricSecurtyGroup'" in done.stderr


def test_the_plug_in_says_what_it_is():
    """CDK's report names it, and an acknowledgement begins with that name."""
    plugin = UltraClusterRules()

    assert plugin.name == "UltraCluster"
    assert plugin.version == version("ultracluster")
    assert {"FABRIC-1", "SAFETY-9"} < set(plugin.rule_ids)
    assert set(plugin.rule_ids) == {*RULES, *OBJECTIONS}


def test_what_is_not_installed_is_told_with_what_brings_it(monkeypatch):
    """Another module that is missing is an error of whoever imports it."""

    def missing(name: str):
        def fail(_: str):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return fail

    monkeypatch.setattr(constructs_lib, "import_module", missing("aws_cdk"))
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        _ = constructs_lib.DataBucket
    monkeypatch.setattr(constructs_lib, "import_module", missing("somebodys"))
    with pytest.raises(ModuleNotFoundError, match="No module named 'somebodys'"):
        _ = constructs_lib.DataBucket


def test_a_value_is_told_as_cdk_nag_writes_it():
    """References of every kind, in the id of a finding."""
    joined = {"Fn::Join": [":", ["a", {"Ref": "B"}, {"Fn::GetAtt": ["C", "Arn"]}]]}

    assert _flat(joined) == "a:<B>:<C.Arn>"
    assert _flat({"Fn::ImportValue": "other:Export"}) == "other:Export"
    assert _flat({"Fn::Sub": "x"}) == '{"Fn::Sub":"x"}'
    assert _flat(7) == "7"
