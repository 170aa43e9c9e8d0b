"""Requests that others write, with nothing wrong: whoever cries wolf is switched off."""

import json
from typing import Any

import pytest

from ultracluster.train.recipe_files import request_problems

DLC = "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training"
SMP = "658645717510.dkr.ecr.us-west-2.amazonaws.com/smdistributed-modelparallel:2.5.1-gpu-py311"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
NETWORK = {"Subnets": ["subnet-0123456789abcdef0"], "SecurityGroupIds": ["sg-01234567"]}
PYTHON_SDK = {
    "sagemaker_container_log_level": "20",
    "sagemaker_job_name": '"job-1"',
    "sagemaker_program": '"train.py"',
    "sagemaker_region": '"us-west-2"',
    "sagemaker_submit_directory": '"s3://code/job-1/source/sourcedir.tar.gz"',
}


def base(
    image: str = f"{DLC}:2.3.0-gpu-py311", kind: str = "ml.p4d.24xlarge", **changes: Any
) -> Any:
    """Return a request of two instances, as SageMaker's SDK writes them."""
    return {
        "TrainingJobName": "job-1",
        "RoleArn": "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-Execution",
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://sagemaker-us-west-2-123456789012/"},
        "ResourceConfig": {"InstanceType": kind, "InstanceCount": 2, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
        **changes,
    }


def parallel(**parameters: object) -> dict[str, str]:
    return {**PYTHON_SDK, "mp_parameters": json.dumps(parameters)}


def system(kind: str, identifier: str, path: str) -> Any:
    source = {
        "FileSystemId": identifier,
        "FileSystemType": kind,
        "FileSystemAccessMode": "ro",
        "DirectoryPath": path,
    }
    return [{"ChannelName": "training", "DataSource": {"FileSystemDataSource": source}}]


def algorithm(**changes: Any) -> dict[str, Any]:
    return {"TrainingImage": SMP, "TrainingInputMode": "File", **changes}


VALID = {
    "v2 of the library, as SDK 2 writes it": base(
        SMP,
        HyperParameters={
            **parallel(hybrid_shard_degree=8, tensor_parallel_degree=2, random_seed=1),
            "sagemaker_torch_distributed_enabled": "true",
            "sagemaker_instance_type": '"ml.p4d.24xlarge"',
            "sagemaker_distributed_dataparallel_enabled": "false",
        },
        DebugHookConfig={"S3OutputPath": "s3://debug/", "CollectionConfigurations": []},
        ProfilerConfig={"DisableProfiler": True},
    ),
    "v2 of the library, as SDK 3 starts it": base(
        AlgorithmSpecification=algorithm(
            ContainerEntrypoint=["/bin/bash"],
            ContainerArguments=["-c", "/opt/ml/input/data/sm_drivers/sm_train.sh"],
        ),
        HyperParameters=parallel(hybrid_shard_degree=2),
    ),
    "v1 of the library with pipelines": base(
        f"{DLC}:1.13.1-gpu-py39",
        HyperParameters={
            **parallel(partitions=2, microbatches=4, ddp=True, attention_in_fp32=True, other=1),
            "sagemaker_mpi_enabled": "true",
            "sagemaker_mpi_num_of_processes_per_host": "8",
        },
    ),
    "half of the GPUs by MPI": base(
        HyperParameters={
            **PYTHON_SDK,
            "sagemaker_mpi_enabled": "true",
            "sagemaker_mpi_num_of_processes_per_host": "4",
        }
    ),
    "MPI on processors": base(
        kind="ml.c5.18xlarge",
        HyperParameters={
            "sagemaker_mpi_enabled": "true",
            "sagemaker_mpi_num_of_processes_per_host": "36",
        },
    ),
    "a stranger's hyperparameters": base(
        HyperParameters={
            "engine": "diesel",
            "settings": "fast",
            "arguments": "--lr 1e-4",
            "recipe": "cake",
            "deepspeed_config": "ds_zero3.json",
        }
    ),
    "a stranger's settings in JSON": base(HyperParameters={"settings": '{"speed": 3}'}),
    "DeepSpeed decides": base(HyperParameters={"deepspeed_config": '{"train_batch_size": "auto"}'}),
    "a built-in algorithm": base(
        "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1",
        "ml.m5.4xlarge",
        HyperParameters={"eta": "0.2", "objective": "binary:logistic"},
    ),
    "an algorithm of the Marketplace": base(
        kind="ml.c5.xlarge",
        AlgorithmSpecification={
            "AlgorithmName": "arn:aws:sagemaker:us-west-2:594846645681:algorithm/trees",
            "TrainingInputMode": "FastFile",
        },
    ),
    "EFS": base(InputDataConfig=system("EFS", "fs-fd85e556", "/"), VpcConfig=NETWORK),
    "the whole of a Lustre": base(
        InputDataConfig=system("FSxLustre", "fs-0123456789abcdef0", "/fsx/"), VpcConfig=NETWORK
    ),
    "two kinds of instances, and a key": base(
        ResourceConfig={
            "InstanceGroups": [
                {"InstanceGroupName": kind[3:5], "InstanceType": kind, "InstanceCount": 2}
                for kind in ("ml.m5.xlarge", "ml.c5n.18xlarge")
            ],
            "VolumeSizeInGB": 100,
            "VolumeKmsKeyId": KEY,
        }
    ),
    "one count for all preferences": base(
        ResourceConfig={
            "InstanceCount": 4,
            "InstancePreferences": [
                {"InstanceType": kind} for kind in ("ml.p5.48xlarge", "ml.p4d.24xlarge")
            ],
        }
    ),
    "no disk asked for": base(ResourceConfig={"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}),
    "spot": base(
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
        CheckpointConfig={"S3Uri": "s3://checkpoints/a"},
        RetryStrategy={"MaximumRetryAttempts": 30},
    ),
    "a registry of one's own": base(
        AlgorithmSpecification=algorithm(
            TrainingImage="registry.example.com:5000/team/pytorch:2.3",
            TrainingImageConfig={"TrainingRepositoryAccessMode": "Vpc"},
        ),
        VpcConfig=NETWORK,
    ),
    "China": base(
        "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-training:2.3.0",
        RoleArn="arn:aws-cn:iam::123456789012:role/x",
    ),
    "GovCloud, by FIPS and digest": base(
        f"442386744353.dkr.ecr-fips.us-gov-west-1.amazonaws.com/pytorch@sha256:{'a' * 64}",
        RoleArn="arn:aws-us-gov:iam::123456789012:role/x",
    ),
    "an isolated Region": base(
        "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov/pytorch:2.3",
        RoleArn="arn:aws-iso:iam::123456789012:role/x",
    ),
    "an access point": base(
        OutputDataConfig={"S3OutputPath": "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/a/o"}
    ),
    "S3 by https": base(OutputDataConfig={"S3OutputPath": "https://s3.amazonaws.com/bucket/o"}),
    "Trainium": base(kind="ml.trn1.32xlarge", HyperParameters=PYTHON_SDK),
    "serverless": {
        "TrainingJobName": "job-1",
        "RoleArn": "arn:aws:iam::123456789012:role/x",
        "OutputDataConfig": {"S3OutputPath": "s3://output/"},
        "ServerlessJobConfig": {
            "BaseModelArn": "arn:aws:sagemaker:us-west-2:aws:hub-content/Public/Model/llama/1.0.0",
            "JobType": "FineTuning",
            "AcceptEula": True,
        },
    },
}


@pytest.mark.parametrize("name", VALID)
def test_a_request_that_sagemaker_takes_has_no_problems(name: str):
    """Most requests are of other people's programs, and none of our business beyond AWS's rules."""
    assert [str(problem) for problem in request_problems(VALID[name])] == []
