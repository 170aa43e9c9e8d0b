"""`ultracluster audit` over files that start jobs: what is read, with its line, and what is not."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.test_audit_command import audit as run_audit
from training.image.build import lock
from ultracluster.job_files import dockerfile
from ultracluster.model.shell_variables import assignments

ROOT = Path(__file__).parents[2]


def audit(
    *given_files: Path, fail_on: str = "error"
) -> tuple[int, list[tuple[str, int, str]], str]:
    """Return the exit code, rule, line and message of each finding, and all that was written."""
    words = ("--format", "json", "--show-unknown", "--fail-on", fail_on)
    status, text = run_audit(*given_files, *words)
    found = json.loads(text)["findings"] if text else []
    return status, [(f["rule"], f["place"]["line"], f["message"]) for f in found], text


def found(path: Path, text: str) -> list[tuple[str, int]]:
    """Return rule and line of everything that the audit finds in a file."""
    path.write_text(text)
    return [(rule, line) for rule, line, _ in audit(path)[1]]


SBATCH = """\
#!/bin/bash
#SBATCH --nodes=64
#SBATCH --export=ALL,NCCL_SHM_DISABLE=1
# export RDMAV_FORK_SAFE=1 is what the old guide said
export FI_PROVIDER=efa FI_EFA_USE_HUGE_PAGE=0
export RDMAV_FORK_SAFE=1
NCCL_PROTO="LL128"       # not exported: nobody sees it
srun --export=ALL,NCCL_NET=Socket --mpi=pmix \\
    python train.py
"""


def test_an_sbatch_script_is_judged_line_by_line(tmp_path):
    """Comments are no commands, and what is not exported reaches nobody."""
    assert sorted(found(tmp_path / "train.sbatch", SBATCH)) == [
        ("FABRIC-22", 8),
        ("FABRIC-24", 5),
        ("FABRIC-27", 3),
        ("FABRIC-27", 6),
    ]


@pytest.mark.parametrize("name", ["job", "job.sh", "job.slurm", "launch.bash"])
def test_scripts_are_known_by_name_or_by_what_is_in_them(tmp_path, name):
    """A shebang or a directive is enough."""
    assert ("FABRIC-27", 6) in found(tmp_path / name, SBATCH)


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("NCCL_PROTO=LL srun x", {"FABRIC-26"}),
        ("mpirun -np 16 -x NCCL_PROTO=simple -x PATH x", {"FABRIC-27"}),
        ("mpirun -genv NCCL_ALGO Ring x", {"FABRIC-27"}),
        ("docker run --gpus all -e NCCL_P2P_DISABLE=1 image", {"FABRIC-27"}),
        ("env NCCL_BUFFSIZE=1048576 python x", {"FABRIC-27"}),
        ("time numactl -N 0 mpirun -x RDMAV_FORK_SAFE=1 x", {"FABRIC-27"}),
        ("NCCL_PROTO=simple; export NCCL_PROTO", {"FABRIC-27"}),
        ("set -a; NCCL_PROTO=simple", {"FABRIC-27"}),
        ("declare -x NCCL_IB_DISABLE=1", {"FABRIC-24"}),
        ("setenv NCCL_MIN_CHANNELS 16", {"FABRIC-24"}),
        ('echo "NCCL_PROTO=simple" >> /etc/nccl.conf', {"FABRIC-27"}),
        ("cat >/etc/environment <<'E'\nRDMAV_FORK_SAFE=1\nE", {"FABRIC-27"}),
        ("P=tcp; export FI_PROVIDER=$P", {"FABRIC-22"}),
        ("export FI_PROVIDER=${FI_PROVIDER:-sockets}", {"FABRIC-22"}),
        ("if p4d; then export NCCL_NET=Socket; else export NCCL_NET=ofi; fi", {"FABRIC-22"}),
        ("export NCCL_PROTO=simple\nunset NCCL_PROTO", set()),
        ("echo NCCL_PROTO=simple", set()),
        ("python -c 'import os; os.environ[\"NCCL_PROTO\"]'", set()),
        ("export NCCL_DEBUG=INFO FI_EFA_USE_HUGE_PAGE=0 NCCL_SOCKET_IFNAME=^lo", set()),
        ("export NCCL_PROTO=$(choose)", set()),
    ],
)
def test_every_way_to_set_a_variable_is_read(tmp_path, line, rules):
    """What a shell, srun, mpirun or a container runtime gives to a program."""
    assert {rule for rule, _ in found(tmp_path / "x.sh", f"#!/bin/sh\n{line}\n")} == rules


def test_a_value_that_the_script_chooses_is_left_open(tmp_path):
    """Neither passed nor failed; what is harmful with any value is found all the same."""
    path = tmp_path / "x.sh"
    path.write_text("export NCCL_PROTO=$(choose) RDMAV_FORK_SAFE=$X\n")
    _, findings, text = audit(path)
    assert [rule for rule, *_ in findings] == ["FABRIC-27"]
    assert "it is chosen when the script runs" in text


def test_the_verdict_follows_the_plugin_that_a_dockerfile_builds(tmp_path):
    """What was needed up to 1.5 is obsolete today, and what is right today is wrong then."""
    path = tmp_path / "Dockerfile"
    text = (
        "ARG BASE=nvidia/cuda\nFROM ${{BASE}} AS build\nENV RDMAV_FORK_SAFE=1\n"
        "FROM ${{BASE}}\nARG AWS_OFI_NCCL_VERSION=v{}\n"
        "ENV FI_PROVIDER=efa \\\n    # as AWS says\n    NCCL_PROTO=simple \\\n"
        "    FI_EFA_USE_DEVICE_RDMA=1 NCCL_NET_PLUGIN=ofi\n"
    )
    assert sorted(found(path, text.format("1.5.0-aws"))) == [("FABRIC-22", 9)]
    assert sorted(found(path, text.format("1.20.0"))) == [
        ("FABRIC-24", 6),
        ("FABRIC-24", 9),
        ("FABRIC-27", 8),
    ]


def test_an_old_plugin_without_its_variables_is_found(tmp_path):
    """The classic image: an installer of 2023 and no environment."""
    text = "FROM ubuntu\nRUN curl -O https://x/aws-ofi-nccl/archive/v1.4.0-aws.tar.gz\nENV A=1\n"
    assert [rule for rule, _ in found(tmp_path / "Dockerfile", text)] == ["FABRIC-31"] * 3


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("FROM a AS b\nENV X=1\nFROM b\nENV Y=2", ["X", "Y"]),
        ("FROM a AS b\nENV X=1\nFROM c\nENV Y=2", ["Y"]),
        ("FROM a\nENV X 1 2", ["X"]),
        ("FROM a\nENV X=1\nENV X=2", ["X"]),
        ("FROM a\nRUN export X=1", []),
        ("FROM a\nRUN echo 'X=1' >> /etc/nccl.conf", ["X"]),
    ],
)
def test_the_last_stage_and_what_it_is_built_on_decide(lines, names):
    """A builder's environment ends with it."""
    assert [item.name for item in dockerfile.assignments(lines)] == names


def test_a_request_to_sagemaker_is_judged_as_the_job_that_it_makes(tmp_path):
    """Its environment, and everything that is known of training jobs."""
    request = {
        "TrainingJobName": "x",
        "RoleArn": "arn:aws:iam::1:role/r",
        "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
        "Environment": {"NCCL_DEBUG": "INFO", "RDMAV_FORK_SAFE": "1"},
        "ResourceConfig": {
            "InstanceType": "ml.p4d.24xlarge",
            "InstanceCount": 2,
            "VolumeSizeInGB": 30,
            "VolumeKmsKeyId": "k",
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "OutputDataConfig": {"S3OutputPath": "s3://b"},
    }
    rules = dict(found(tmp_path / "request.json", json.dumps(request, indent=1)))
    assert rules["FABRIC-27"] == 10
    assert "SAGEMAKER-1" in rules


def test_a_template_on_one_line_is_a_template(tmp_path):
    """It may hold every word of a request."""
    body = {
        "Description": "apiVersion: TrainingJobName: ",
        "Resources": {"Job": {"Type": "AWS::SageMaker::TrainingJob",
                              "Properties": {"Environment": {"RDMAV_FORK_SAFE": "1"}}}},
    }  # fmt: skip
    path = tmp_path / "t.json"
    path.write_text(json.dumps(body))
    _, findings, text = audit(path)
    assert "FABRIC-27" in {rule for rule, *_ in findings}
    assert json.loads(text)["findings"][0]["place"]["logical_id"] == "Job"


def test_files_of_variables_are_read(tmp_path):
    """/etc/nccl.conf and .env files."""
    assert found(tmp_path / "nccl.conf", "NCCL_DEBUG=INFO\nNCCL_PROTO=simple\n") == [
        ("FABRIC-27", 2)
    ]
    assert found(tmp_path / "train.env", "export RDMAV_FORK_SAFE='1'\n") == [("FABRIC-27", 1)]


def test_errors_fail_the_audit_and_warnings_do_when_asked(tmp_path):
    """As with templates."""
    path = tmp_path / "x.sh"
    path.write_text("export NCCL_PROTO=LL\n")
    assert audit(path)[0] == 1
    path.write_text("export RDMAV_FORK_SAFE=1\n")
    assert audit(path)[0] == 0
    assert audit(path, fail_on="warning")[0] == 1


def test_what_this_repository_ships_for_jobs_is_clean():
    """Our own image and job scripts, by our own rules."""
    files = [ROOT / "training/image/Dockerfile", *ROOT.glob("training/**/*.sbatch")]
    assert audit(*files, fail_on="info")[:2] == (0, [])
    assert lock()["pins"]["aws_ofi_nccl"]["version"] in files[0].read_text()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"TrainingJobName": ', "not valid JSON"),
        ("a.yaml", "TrainingJobName: [", "not valid YAML"),
        ("a.yaml", "TrainingJobName: " + "[" * 400 + "]" * 400, "nesting is too deep"),
        ("a.yaml", "apiVersion: v1\nkind: Service\n", "no rule reads manifests of Kubernetes"),
        ("a.yaml.tpl", "apiVersion: {{ .v }}\nkind: Job\n", "no rule reads manifests"),
        ("a.txt", "hello", "not a CloudFormation template"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, capsys, name, text, said):
    """2, and where."""
    path = tmp_path / name
    path.write_text(text)
    assert audit(path)[0] == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert said in error


WORDS = ("export ", "NCCL_PROTO", "<<E\n", "E\n", "FROM ", "ENV ", "RUN ", "srun --export=", "$(")
ALPHABET = st.sampled_from([*"ab=$\\\"'`(){};|&<>#\n \t-", *WORDS])


@given(st.lists(ALPHABET, max_size=60).map("".join))
def test_any_text_is_read_to_its_end(text):
    """A lint that dies of a strange script judges nothing."""
    lines = text.count("\n") + 1
    for items in (assignments(text), dockerfile.assignments(text)):
        assert all(1 <= item.line <= lines for item in items)


@given(
    st.from_regex(r"[A-Z]{1,8}", fullmatch=True), st.from_regex(r"[a-z0-9,^:]{0,9}", fullmatch=True)
)
def test_what_is_exported_is_what_is_read(name, value):
    """Through a shell's export and a Dockerfile's ENV alike."""
    (one,) = assignments(f"export {name}={value}")
    (two,) = dockerfile.assignments(f"FROM a\nENV {name}={value}")
    assert (one.name, one.value) == (two.name, two.value) == (name, value)


def test_a_request_is_known_by_what_is_in_it(tmp_path):
    """Requests that a program writes have names of their own, and a template may carry one."""
    text = "TrainingJobName: a\nEnvironment:\n  NCCL_PROTO: LL128\n"
    assert ("FABRIC-26", 3) in found(tmp_path / "request.yaml.tpl", text)
    template = "Resources:\n  Bucket: {Type: AWS::S3::Bucket}\n"
    assert found(tmp_path / "stack.template", template) == []


def test_a_file_of_exports_is_known_by_what_is_in_it(tmp_path):
    """`env_vars.example` is sourced before a job is started."""
    text = "# copy me\n\nexport AWS_REGION=us-east-1\nexport RDMAV_FORK_SAFE=1\n"
    assert found(tmp_path / "env_vars.example", text) == [("FABRIC-27", 4)]
