"""Five faults that cfn-lint 1.58 lets pass with exit 0, in templates of ours, by the command."""

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from ultracluster.audit import command

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "ultracluster"
Template = dict[str, Any]


def of(template: Template, kind: str) -> Any:
    """Return the properties of the only resource of a type."""
    (found,) = (r for r in template["Resources"].values() if r["Type"] == kind)
    return found["Properties"]


def lustre(template: Template) -> Any:
    return of(template, "AWS::FSx::FileSystem")


def interfaces(template: Template) -> Any:
    """Return the interfaces of the training nodes; a login node has but one."""
    every = [
        r["Properties"]["LaunchTemplateData"].get("NetworkInterfaces", ())
        for r in template["Resources"].values()
        if r["Type"] == "AWS::EC2::LaunchTemplate"
    ]
    return max(every, key=len)


def throughput_300(template: Template) -> None:
    lustre(template)["LustreConfiguration"]["PerUnitStorageThroughput"] = 300


def capacity_1300(template: Template) -> None:
    lustre(template)["StorageCapacity"] = 1300


def efa_only(template: Template) -> None:
    interfaces(template)[2]["InterfaceType"] = "efa_only"


def public_address(template: Template) -> None:
    interfaces(template)[0]["AssociatePublicIpAddress"] = True


def group_name(template: Template) -> None:
    of(template, "AWS::EC2::PlacementGroup")["GroupName"] = "training"


FAULTS: Final[dict[str, tuple[str, Callable[[Template], None], str]]] = {
    "throughput 300": ("Storage", throughput_300, "LUSTRE-1"),
    "capacity 1300": ("Storage", capacity_1300, "LUSTRE-1"),
    "InterfaceType efa_only": ("Cluster", efa_only, "FABRIC-3"),
    "a public address on five interfaces": ("Cluster", public_address, "FABRIC-9"),
    "GroupName on a placement group": ("Cluster", group_name, "CAPACITY-2"),
}


def audit(*words: str) -> tuple[int, Any]:
    """Run the command as it is typed; return its exit status and its JSON."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    written = io.StringIO()
    status = command.run(
        parser.parse_args([*words, "--format", "json", "--region", "us-east-1"]),
        Console(file=written, width=200),
    )
    return status, json.loads(written.getvalue())


def files(directory: Path) -> list[str]:
    return [str(path) for path in sorted(directory.glob("*.json"))]


@pytest.mark.parametrize("name", FAULTS)
def test_what_cfn_lint_passes_the_audit_names(name: str, tmp_path: Path):
    """One fault, one error, exit status 1; without it the same templates pass with 0."""
    stack, break_, rule = FAULTS[name]
    for path in GOLDEN.glob("*.json"):
        template = json.loads(path.read_text())
        if path.name.startswith(stack):
            break_(template)
        (tmp_path / path.name).write_text(json.dumps(template))

    status, found = audit(*files(tmp_path))

    errors = [f for f in found["findings"] if f["severity"] == "error"]
    assert (status, [f["rule"] for f in errors]) == (1, [rule])
    assert errors[0]["place"]["construct_path"].startswith(f"ultracluster/{stack}/")
    status, found = audit(*files(GOLDEN))
    assert (status, found["summary"]["findings"]["error"]) == (0, 0)


def test_cfn_lint_takes_the_rules(tmp_path):
    """`--append-rules` of its own command, with severity, place and the way to ignore one."""
    path = tmp_path / "nodes.yaml"
    path.write_text(
        "Resources:\n  Nodes:\n    Type: AWS::EC2::LaunchTemplate\n    Properties:\n"
        "      LaunchTemplateData:\n        InstanceType: m5.large\n        NetworkInterfaces:\n"
        "          - {InterfaceType: efa, NetworkCardIndex: 0, DeviceIndex: 0}\n"
        "        MetadataOptions: {HttpTokens: optional}\n"
    )
    program = str(Path(sys.executable).with_name("cfn-lint"))
    words = (program, "--append-rules", "ultracluster.audit.cfn_lint")
    done = subprocess.run(
        [*words, "--ignore-checks", "W-SAFETY", "--format", "parseable", "--", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith(f"{path}:2:3:2:8:E-FABRIC-3:InterfaceType efa on m5.large")
    assert "SAFETY-7" not in done.stdout
