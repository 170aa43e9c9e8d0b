"""Requests with one fault each: every one is found, before anything is sent, in one line."""

import json

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests.train.requests import REGISTRY, REMOVED, changed, place, request
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import advice
from ultracluster.train.recipe_files import request_problems

MODEL = botocore.session.Session().get_service_model("sagemaker")
SHAPE = MODEL.operation_model("CreateTrainingJob").input_shape

SEEDED = [
    pytest.param("ResourceConfig.InstanceType", "ml.p4d.48xlarge", False, id="wrong enum"),
    pytest.param(
        "VpcConfig.Subnets", [f"subnet-{n:017x}" for n in range(17)], False, id="17 subnets"
    ),
    pytest.param("ResourceConfig.KeepAlivePeriodInSeconds", 30_000, False, id="kept too long"),
    pytest.param("RetryStrategy.MaximumRetryAttempts", 31, False, id="31 attempts"),
    pytest.param("TrainingJobName", "dev_gpt", False, id="bad job name"),
    pytest.param("RoleArn", REMOVED, True, id="no role"),
    pytest.param("ResourceConfig.InstanceCount", "16", True, id="a number as text"),
    pytest.param("StoppingCondition.MaxRuntimeSeconds", 3600, True, id="unknown member"),
]
"""The eight of the training facts, c.4, and whether botocore itself finds them."""

SEEDED_PLAIN: list[tuple[str, object]] = [(str(each.values[0]), each.values[1]) for each in SEEDED]

OWN = "HyperParameters.settings"


def settings(**values: object) -> str:
    """Return the hyperparameter with some settings replaced."""
    found = json.loads(request()["HyperParameters"]["settings"])
    return json.dumps({**found, **{k.replace("__", "."): str(v) for k, v in values.items()}})


def channel(**source: object) -> dict[str, object]:
    return {"ChannelName": "more", "DataSource": {"S3DataSource": source}}


IMAGE = "AlgorithmSpecification.TrainingImage"
LUSTRE = "InputDataConfig.0.DataSource.FileSystemDataSource"
PLANTED = [
    # What the model says of single fields.
    ("TrainingJobName", "a" * 64, "at most 63 characters"),
    ("TrainingJobName", "-gpt", "must match"),
    ("RoleArn", "arn:aws:iam::1:role/execution", "must match"),
    ("OutputDataConfig.S3OutputPath", "output", "must match"),
    ("OutputDataConfig.KmsKeyId", "alias with blanks", "must match"),
    ("VpcConfig.SecurityGroupIds", [f"sg-{n:017x}" for n in range(6)], "at most 5 entries"),
    ("VpcConfig.Subnets", [], "at least 1 entries"),
    ("StoppingCondition.MaxPendingTimeInSeconds", 60, "at least 1,800"),
    ("StoppingCondition.MaxRuntimeInSeconds", 0, "at least 1"),
    ("StoppingCondition.MaxRuntimeInSeconds", 29 * 86_400, "28 days"),
    ("RetryStrategy.MaximumRetryAttempts", 0, "at least 1"),
    ("ResourceConfig.KeepAlivePeriodInSeconds", -1, "at least 0"),
    ("ResourceConfig.InstanceCount", True, "a whole number"),
    ("ResourceConfig.InstanceCount", 16.0, "a whole number"),
    ("ResourceConfig.InstanceType", "p4d.24xlarge", "write ml.p4d.24xlarge"),
    ("AlgorithmSpecification.TrainingInputMode", "file", "write File"),
    ("HyperParameters.long", "x" * 2501, "at most 2,500 characters"),
    ("HyperParameters.lines", "one\ntwo", "must match"),
    ("HyperParameters", {f"k{n}": "v" for n in range(101)}, "at most 100 entries"),
    ("HyperParameters.number", 1, "write a text"),
    ("Environment", {f"K{n}": "v" for n in range(101)}, "at most 100 entries"),
    ("Environment.LONG", "x" * 513, "at most 512 characters"),
    ("Environment.NOT-A-NAME", "x", "must match"),
    ("Tags", [{"Key": f"k{n}", "Value": ""} for n in range(51)], "at most 50 entries"),
    ("Tags.0.Key", "emoji 🙂", "must match"),
    ("InputDataConfig.0.ChannelName", "a channel", "must match"),
    ("AlgorithmSpecification.MetricDefinitions.0.Regex", "x" * 501, "at most 500"),
    ("AlgorithmSpecification.ContainerEntrypoint", [], "at least 1"),
    ("EnableManagedSpotTraining", "true", "true or false"),
    ("CheckpointConfig", {"LocalPath": "/opt/ml/checkpoints"}, "the field is required"),
    ("CheckPointConfig", {}, "write CheckpointConfig"),
    # What spans fields.
    ("ResourceConfig.InstanceCount", 0, "at least one instance"),
    ("ResourceConfig.InstanceCount", REMOVED, "write how many"),
    ("ResourceConfig.InstanceType", REMOVED, "write InstanceType"),
    ("ResourceConfig", REMOVED, "a job needs instances"),
    ("ResourceConfig.VolumeKmsKeyId", "1234abcd-12ab-34cd-56ef-1234567890ab", "local NVMe"),
    ("ResourceConfig.SelectedInstanceType", "ml.p4d.24xlarge", "refuses it in requests"),
    ("StoppingCondition.MaxWaitTimeInSeconds", 60, "MaxRuntimeInSeconds, 3600, or more"),
    ("AlgorithmSpecification.AlgorithmName", "xgboost", "cannot be given together with"),
    (IMAGE, REMOVED, "needs an image"),
    ("VpcConfig", REMOVED, "reached through its VPC only"),
    ("VpcConfig.Subnets.0", "10.0.0.0/20", "must match"),
    ("VpcConfig.SecurityGroupIds.2", "sg-0123456789abcdef0", "write it once"),
    ("InputDataConfig.0.InputMode", "FastFile", "mounted and cannot be streamed"),
    (f"{LUSTRE}.FileSystemId", "fs-01234567", "17 hexadecimal digits"),
    (f"{LUSTRE}.DirectoryPath", "abcd1234/data", "the full path"),
    (f"{LUSTRE}.DirectoryPath", "/abcd1234/../etc", "without ."),
    ("InputDataConfig.0.DataSource", {}, "one source"),
    ("CheckpointConfig.LocalPath", "checkpoints", "absolute"),
    ("CheckpointConfig.S3Uri", "s3://Training_Data/x", "lower-case"),
    ("Tags.0.Key", "ultracluster:recipe", "keep one"),
    ("Tags.0.Key", "aws:cloudformation:stack-name", "AWS's own"),
    ("Environment.AWS_SECRET_ACCESS_KEY", "x", "remove it"),
    ("Environment.RDMAV_FORK_SAFE", "1", "EFA"),
    ("Environment.FI_PROVIDER", "tcp", "another provider than efa"),
    ("Environment.FI_PROVIDER", "sockets;ofi_rxd", "another provider than efa"),
    ("Environment.NCCL_NET", "Socket", "never loads the plugin"),
    ("Environment.NCCL_NET_PLUGIN", "none", "falls back to TCP"),
    ("Environment.NCCL_PROTO", "LL128", "need bytes to arrive in order"),
    ("Environment.NCCL_PROTO", "LL,Simple", "need bytes to arrive in order"),
    ("Environment.FI_EFA_USE_DEVICE_RDMA", "0", "refuses to start without GPUDirect"),
    ("Environment.NCCL_SOCKET_IFNAME", "lo", "where no other node reaches them"),
    ("Environment.GLOO_SOCKET_IFNAME", "docker0", "where no other node reaches them"),
    ("Environment.ULTRACLUSTER_FABRIC", "rdma", "write auto, efa or none"),
    (
        "ResourceConfig.InstanceType",
        "ml.p3.8xlarge",
        "it has no EFA, which Environment.ULTRACLUSTER_FABRIC asks",
    ),
    ("Environment.AWS_ACCESS_KEY_ID", "x", "remove it"),
    ("Environment.KEYS", "AKIAIOSFODNN7EXAMPLE:x", 'got "a secret"; everybody who may describe'),
    ("HyperParameters.key", "ASIAIOSFODNN7EXAMPLE", 'got "a secret"; everybody who may describe'),
    # Engines.
    (OWN, "{", "not valid JSON"),
    (OWN, settings(parallel__partition_size=48), "does not divide the 128 GPUs"),
    (OWN, settings(parallel__partition_size=0), "does not divide"),
    (OWN, settings(parallel__tensor_parallel=3), "does not divide the 8 GPUs of one"),
    (OWN, settings(parallel__gpus_per_node=4), "an instance has 8"),
    (OWN, settings(data__global_batch=1000), "a multiple of 512"),
    (OWN, settings(parallel__partition_size=8), "nothing to gather between nodes"),
    (OWN, settings(parallel__partitionsize=16), "write parallel.partition_size"),
    (OWN, settings(train__partition_size=16), "write parallel.partition_size"),
    (OWN, settings(parallel__partition_size="sixteen"), "write a whole number"),
    (OWN, settings(numerics__dtype="fp16"), "no such value; write bf16, fp32 or fp64"),
    (OWN, settings(numerics__compile="yes"), 'numerics.compile: got "yes"; write true or false'),
    (OWN, settings(optimizer__learning_rate="fast"), "write a number, 0 or more"),
    (OWN, settings(optimizer__clip_norm="nan"), "write a number, 0 or more"),
    (OWN, settings(data__micro_batch=0), 'data.micro_batch: got "0"; write 1 or more'),
    (OWN, settings(checkpoint__keep=1), "write 2 or more"),
    (OWN, settings(checkpoint__every=-1), "write 0 or more"),
    (OWN, settings(data__validation_every=-3), "write 0 or more"),
    (OWN, settings(optimizer__final_fraction=5), "write 0 to 1"),
    (OWN, settings(optimizer__learning_rate=30), "write 0 to 1"),
    (OWN, settings(run__timeout_minutes=0), "write 0.1 to 1440"),
    (OWN, settings(model__layers=400, parallel__partition_size=16), "do not fit into 16 x 40 GiB"),
    (OWN, settings(data__path="/opt/ml/input/data/fsx/tokens"), "no channel fsx; write lustre"),
    (OWN, settings(checkpoint__path="/opt/ml/checkpoints/gpt"), "all nodes write a checkpoint tog"),
    (f"{LUSTRE}.FileSystemAccessMode", "ro", "channel lustre is read-only; write one whose"),
    ("InputDataConfig.0.ChannelName", "training", "there is no channel lustre; write training"),
    ("InputDataConfig", REMOVED, "the job has no channels"),
    (OWN, settings(model__heads=7), "does not divide model.width, 5120"),
    (OWN, settings(model__heads=1024, model__positions="rotary"), "a head has 5 values"),
    (OWN, settings(model__sequence=2049, parallel__tensor_parallel=2), "model.sequence, 2049"),
    ("HyperParameters.recipe", REMOVED, "needs one of its recipes"),
    ("HyperParameters.recipe", "gpt-2b", "no such recipe, and it is not the path"),
    ("HyperParameters.arguments", '"--lr"', "a list of texts"),
    ("HyperParameters.arguments", "[1]", "list of strings"),
    ("HyperParameters.engine", "deepspeed", "starts your own program"),
    # Images and Regions.
    (IMAGE, "ubuntu:24.04", "SageMaker pulls from ECR"),
    (IMAGE, f"{REGISTRY}/training", "write a tag"),
    (IMAGE, f"{REGISTRY}.cn/training:v1", "registries of us-east-1 are below amazonaws.com; write"),
    (IMAGE, f"{REGISTRY.replace('amazonaws', 'example')}/t:v1", "are below amazonaws.com"),
    (IMAGE, f"{REGISTRY.replace('us-east-1', 'us-west-2')}/training:v1", "from there only"),
    (
        "OutputDataConfig.KmsKeyId",
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "from there only",
    ),
    ("RoleArn", "arn:aws-cn:iam::123456789012:role/execution", "partition aws"),
]


def lines(found: dict[str, object]) -> list[str]:
    """Return what is said of a request that no environment is named for."""
    return [str(problem) for problem in request_problems(found)]


def test_a_sound_request_has_no_problems():
    """Whoever cries wolf is switched off."""
    assert lines(request()) == []
    assert request_problems(request(), place()) == []


@pytest.mark.parametrize(("path", "value", "by_botocore"), SEEDED)
def test_each_of_the_eight_seeded_faults_is_found(path: str, value: object, by_botocore: bool):  # noqa: FBT001
    """Botocore sends five of them, and the service refuses minutes later."""
    wrong = changed(request(), path, value)

    (problem,) = lines(wrong)
    assert problem.startswith(path)
    assert ParamValidator().validate(wrong, SHAPE).has_errors() is by_botocore


@pytest.mark.parametrize(("path", "value", "words"), PLANTED)
def test_a_planted_fault_is_found_and_explained(path: str, value: object, words: str):
    """Each says what was got and what to write, on one line."""
    found = lines(changed(request(), path, value))

    assert any(words in line for line in found), found
    assert all(": got " in line and "\n" not in line and "; " in line for line in found)


def test_all_faults_of_a_request_are_told_at_once():
    """A user mends them together instead of one an hour."""
    wrong = request()
    for path, value in SEEDED_PLAIN:
        wrong = changed(wrong, path, value)

    found = lines(wrong)
    assert len(found) == len(SEEDED_PLAIN)
    for path, _ in SEEDED_PLAIN:
        assert any(line.startswith(path) for line in found), path


SPOT = {"EnableManagedSpotTraining": True}


def test_what_is_no_fault_but_hardly_meant_is_a_warning():
    """SageMaker takes it all; whoever wrote it should know what it does."""
    own = request()
    own["Environment"]["HF_TOKEN"] = "hf_x"  # noqa: S105 - none
    own["EnableInterContainerTrafficEncryption"] = True

    assert lines(own) == []
    said = " ".join(str(hint) for hint in advice(parsed(own)))
    for words in ("HF_TOKEN", "IPsec between hosts"):
        assert words in said
    assert "hf_x" not in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 60}}, "needs a waiting time"),
        (
            {
                **SPOT,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            },
            "MaxRuntimeInSeconds, 60, or more",
        ),
        (
            {
                **SPOT,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
                "ResourceConfig": {**request()["ResourceConfig"], "KeepAlivePeriodInSeconds": 60},
            },
            "spot instances cannot be kept",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}},
            "has no local disk",
        ),
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.p4d.24xlarge",
                    "InstanceCount": 1,
                    "InstanceGroups": [
                        {
                            "InstanceGroupName": "a",
                            "InstanceType": "ml.p4d.24xlarge",
                            "InstanceCount": 1,
                        }
                    ],
                }
            },
            "keep one of the two",
        ),
        (
            {
                "ResourceConfig": {
                    "VolumeSizeInGB": 1,
                    "InstanceGroups": [
                        {
                            "InstanceGroupName": name,
                            "InstanceType": "ml.p4d.24xlarge",
                            "InstanceCount": count,
                        }
                        for name, count in (("a", 1), ("b", 2))
                    ],
                }
            },
            "it does not divide the 24 GPUs (3 x 8); write 8 or 24",
        ),
        (
            {
                "InputDataConfig": [
                    channel(S3DataType="S3Prefix", S3Uri="s3://Training_Data/tokens"),
                ]
            },
            "InputDataConfig[0].DataSource.S3DataSource.S3Uri: got",
        ),
        (
            {
                "InputDataConfig": [
                    channel(S3DataType="S3Prefix", S3Uri="s3://training-data/m"),
                    channel(S3DataType="S3Prefix", S3Uri="s3://training-data/m"),
                ]
            },
            "2 channels",
        ),
    ],
)
def test_faults_of_several_fields_together_are_found(changes: dict[str, object], words: str):
    """Each field is as the service's model asks, and the whole cannot be."""
    found = lines({**request(), **changes})

    assert any(words in line for line in found), found


def of_a_recipe(name: str, nodes: int, **settings: str) -> list[str]:
    """Return what is wrong with a job that says little more than its recipe."""
    given = request()
    given["ResourceConfig"]["InstanceCount"] = nodes
    own = {"engine": "training", "recipe": name, "settings": json.dumps(settings)}
    return lines({**given, "HyperParameters": own})


@pytest.mark.parametrize(
    ("name", "nodes", "changes", "words"),
    [
        ("gpt-30b-p4d", 1, {}, "parallel.partition_size: got 32; it does not divide the 8 GPUs"),
        ("gpt-30b-p4d", 1, {"parallel.partition_size": "8"}, "do not fit into 8 x 40 GiB"),
        ("gpt-30b-p4d", 12, {}, "data.global_batch: got 1024; 96 ranks take 4 sequences each"),
        ("gpt-1b", 3, {}, "data.global_batch: got 512; 24 ranks take 16 sequences each"),
        ("gpt-1b", 2, {"data.micro_batch": "12"}, "a multiple of 192"),
    ],
)
def test_what_a_job_leaves_to_its_recipe_is_judged_as_well(name, nodes, changes, words):
    """It would be found by every node, after all of them had started."""
    found = of_a_recipe(name, nodes, **changes)
    assert any(words in line for line in found), found


@pytest.mark.parametrize(("name", "nodes"), [("gpt-30b-p4d", 16), ("gpt-1b", 2), ("gpt-124m", 1)])
def test_recipes_of_the_program_fit_the_nodes_they_are_for(name, nodes):
    assert of_a_recipe(name, nodes) == []


def test_one_node_and_a_job_without_fabric_may_use_what_they_like():
    """Nothing goes over EFA there; it is said, and no mistake."""
    alone = changed(request(), "Environment", {"NCCL_NET": "Socket"})
    alone["ResourceConfig"]["InstanceCount"] = 1
    assert not [line for line in lines(alone) if "NCCL_NET" in line]
    without = {"NCCL_NET": "Socket", "ULTRACLUSTER_FABRIC": "none"}
    over_tcp = changed(request(), "Environment", without)
    assert lines(over_tcp) == []
    assert [hint.field for hint in advice(parsed(over_tcp))] == ["Environment.NCCL_NET"]
