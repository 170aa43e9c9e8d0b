"""The pipeline of the nodes' image, and what its component does on an instance that builds."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.node_image import MOST_DATA, NodeImage, document
from facts import job_environment
from tests.constructs.bare import Surroundings, bare_stack, only, resources, text
from ultracluster.spec.node_image import NodeImageSpec

ROOT = Path(__file__).parents[2]
SOUND = {
    "modinfo": 'case "$3" in nvidia) echo 595.91.07 ;; lustre) echo 2.15.6 ;; esac',
    "dpkg-query": "echo 1.5.1-1",
}
EFA = "# EFA installer version: 1.50.0\n# Debug packages installed: no\n"


def pipeline(**changes: Any) -> cdk.Stack:
    stack = bare_stack()
    around = Surroundings(stack)
    NodeImage(
        stack,
        "Image",
        spec=NodeImageSpec(**changes),
        environment_name="staging",
        slurm_version="25.11",
        subnet=around.subnets[0],
        security_groups=around.groups,
        log_key=around.key,
    )
    return stack


def versions(stack: cdk.Stack) -> tuple[str, str]:
    """Return the versions of component and recipe."""
    component = only(stack, "AWS::ImageBuilder::Component")["Properties"]["Version"]
    recipe = only(stack, "AWS::ImageBuilder::ImageRecipe")["Properties"]["Version"]
    return component, recipe


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    return pipeline()


def test_a_deployment_builds_nothing(stack: cdk.Stack):
    """A build that a deployment waits for, or a schedule starts, would end in nodes by itself."""
    assert resources(stack, "AWS::ImageBuilder::Image") == {}
    assert "Schedule" not in only(stack, "AWS::ImageBuilder::ImagePipeline")["Properties"]


def test_whoever_builds_is_reached_by_nobody(stack: cdk.Stack):
    """No key pair, no role by metadata version 1, in the environment's own network."""
    found = only(stack, "AWS::ImageBuilder::InfrastructureConfiguration")["Properties"]

    hops = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert found["InstanceMetadataOptions"] == hops
    assert "KeyPair" not in found
    assert found["SubnetId"] == "subnet-aaaaaaaa"
    assert found["TerminateInstanceOnFailure"] is True


def test_the_id_that_comes_out_is_kept_where_the_command_looks(stack: cdk.Stack):
    (place,) = only(stack, "AWS::ImageBuilder::DistributionConfiguration")["Properties"][
        "Distributions"
    ]

    (parameter,) = place["SsmParameterConfigurations"]
    assert parameter == {
        "ParameterName": "/ultracluster/staging/node-image-id",
        "DataType": "aws:ec2:image",
    }
    writing = [
        text(statement["Resource"])
        for policy in resources(stack, "AWS::IAM::ManagedPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "ssm:PutParameter"
    ]
    assert len(writing) == 1
    assert "parameter/ultracluster/staging/node-image-id" in writing[0]


def test_a_version_is_of_what_it_holds():
    """Component and recipe are create-only: equal contents are no change, others a new version."""
    component, recipe = versions(pipeline())

    assert versions(pipeline()) == (component, recipe)
    assert all(int(part) < 2**30 for part in component.split("."))
    larger = versions(pipeline(volume_gib=200))
    assert larger[0] == component
    assert larger[1] != recipe
    other = versions(pipeline(program="ultracluster-training==0.2.0"))
    assert component != other[0]
    assert recipe != other[1]


def test_the_base_is_read_when_a_build_starts_unless_it_is_an_id(stack: cdk.Stack):
    """Image Builder's own form of a parameter; an id pins."""
    kind = "AWS::ImageBuilder::ImageRecipe"
    assert only(stack, kind)["Properties"]["ParentImage"].startswith("ssm:/aws/service/pcs/ami/")
    pinned = only(pipeline(base="ami-0123456789abcdef0"), kind)["Properties"]
    assert pinned["ParentImage"] == "ami-0123456789abcdef0"


def test_a_program_whose_name_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="takes 16,000"):
        pipeline(program="https://example.com/" + "a" * 9000)


def test_the_document_is_one(stack: cdk.Stack):
    """AWS TOE's schema: names of phases, actions with their inputs, and no reference to resolve."""
    data = only(stack, "AWS::ImageBuilder::Component")["Properties"]["Data"]

    assert len(data) <= MOST_DATA
    assert "{{" not in data
    found = json.loads(data)
    assert found["schemaVersion"] == 1.0
    assert [phase["name"] for phase in found["phases"]] == ["build", "validate", "test"]
    for phase in found["phases"]:
        names = [step["name"] for step in phase["steps"]]
        assert len(set(names)) == len(names)
        for step in phase["steps"]:
            assert step["action"] in ("CreateFile", "ExecuteBash")
            inputs = step["inputs"]
            if step["action"] == "ExecuteBash":
                assert all(isinstance(each, str) for each in inputs["commands"])
            else:
                assert all({"path", "content"} <= set(each) for each in inputs)


def test_copies_of_lock_and_script_are_what_they_are_copies_of():
    """`python -m facts.job_environment` writes the lock; the script is a link."""
    beside = ROOT / "constructs_lib" / "image"
    lock = job_environment.text(job_environment.node_image())
    assert (beside / "image.lock.json").read_text() == lock
    assert (beside / "prepare.sh").resolve() == ROOT / "training" / "slurm" / "prepare.sh"


class Builder:
    """An instance that builds, in a folder: AWS TOE's two actions, and what the base has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = NodeImageSpec(program="x==1")
        for name, script in SOUND.items():
            self.put(f"bin/{name}", f"#!/bin/bash\n{script}\n")
        self.put("opt/amazon/efa_installed_packages", EFA)
        self.put("opt/amazon/ofi-nccl/lib/libnccl-net.so.0", "\0NET/OFI aws-ofi-nccl 1.21.1\0")
        sinfo = "#!/bin/bash\necho slurm 25.11.3\n"
        self.put("opt/aws/pcs/scheduler/slurm-25.11/bin/sinfo", sinfo)

    def put(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)

    def run(self, phase: str, *, only_step: str = "") -> subprocess.CompletedProcess[str]:
        """Run the steps of a phase, below this folder, until one fails."""
        there = json.dumps(document(self.spec, "25.11")).replace(
            "$ROOT/opt/ultracluster", "/opt/ultracluster"
        )
        moved = json.loads(there.replace("/opt/ultracluster", f"{self.folder}/opt/ultracluster"))
        done = subprocess.CompletedProcess([], 0, "", "")
        (steps,) = (each["steps"] for each in moved["phases"] if each["name"] == phase)
        for step in steps:
            if step["action"] == "CreateFile":
                for each in step["inputs"]:
                    self.put(str(Path(each["path"]).relative_to(self.folder)), each["content"])
            elif only_step in ("", step["name"]):
                done = subprocess.run(
                    ["/bin/bash", "-c", "\n".join(step["inputs"]["commands"])],
                    env={**os.environ, "ROOT": str(self.folder), "PATH": self.path},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    return done
        return done

    @property
    def path(self) -> str:
        return f"{self.folder}/bin:{os.environ['PATH']}"

    def found(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(
            (self.folder / "opt" / "ultracluster" / "image.json").read_text()
        )
        return found


def test_a_base_that_fits_the_lock_goes_through_and_is_written_down(tmp_path: Path):
    builder = Builder(tmp_path)

    done = builder.run("build", only_step="Verify")

    assert (done.returncode, done.stdout) == (0, "")
    assert builder.found() == {
        "aws_ofi_nccl": "1.21.1",
        "driver": "595.91.07",
        "efa_installer": "1.50.0",
        "lustre_client": "2.15.6",
        "pcs_agent": "1.5.1-1",
        "slurm": "slurm 25.11.3",
    }


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bin/modinfo", "echo 570.1", "driver: is 570.1; the lock wants 580 or later"),
        ("bin/modinfo", "exit 1", "lustre_client: is not on this image"),
        ("bin/dpkg-query", "echo 1.4.1-1", "pcs_agent: is 1.4.1-1; the lock wants 1.5.0"),
        ("bin/dpkg-query", "exit 1", "pcs_agent: is not on this image"),
        ("opt/amazon/efa_installed_packages", "", "efa_installer: is not on this image"),
        (
            "opt/amazon/ofi-nccl/lib/libnccl-net.so.0",
            "aws-ofi-nccl 1.9.0",
            "aws_ofi_nccl: is 1.9.0; the lock wants 1.20.0",
        ),
        (
            "opt/aws/pcs/scheduler/slurm-25.11/bin/sinfo",
            "echo slurm 25.05.1",
            "the environment's cluster has 25.11",
        ),
    ],
)
def test_a_base_that_does_not_fit_ends_the_build(
    tmp_path: Path, name: str, content: str, words: str
):
    """Half an hour earlier than the node that finds out."""
    builder = Builder(tmp_path)
    script = not name.startswith("opt/amazon")
    builder.put(name, f"#!/bin/bash\n{content}\n" if script else content)

    done = builder.run("build", only_step="Verify")

    assert done.returncode == 1
    assert words in done.stdout


def test_an_image_without_pytorch_or_program_is_not_kept(tmp_path: Path):
    """The look at the end is at what jobs need, not at whether scripts ran."""
    builder = Builder(tmp_path)
    builder.run("build", only_step="Verify")
    assert builder.run("validate").returncode != 0

    python = "#!/bin/bash\necho 13.0\n"
    builder.put("opt/ultracluster/training/venv/bin/python", python)
    assert builder.run("test").returncode != 0
    builder.put("opt/ultracluster/training/slurm/train.sbatch", "")
    assert builder.run("test").returncode == 0
