"""What has no CloudFormation type: training jobs and quotas."""

import json

import pytest
from botocore.exceptions import ClientError


def request(name, **more):
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::123456789012:role/training",
        "OutputDataConfig": {"S3OutputPath": "s3://models/"},
        "ResourceConfig": {
            "InstanceType": "ml.p4d.24xlarge",
            "InstanceCount": 2,
            "VolumeSizeInGB": 100,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **more,
    }


def statuses(client, name):
    """Describe a job until it ends, and return every status that was seen."""
    seen: list[tuple[str, str]] = []
    while not seen or seen[-1][0] in ("InProgress", "Stopping"):
        answer = client.describe_training_job(TrainingJobName=name)
        seen.append((answer["TrainingJobStatus"], answer["SecondaryStatus"]))
    return seen


def test_a_job_completes_after_a_few_describes(cloud):
    """Code that waits for a job can be rehearsed without waiting."""
    client = cloud.client("sagemaker")
    client.create_training_job(**request("complete"))

    seen = statuses(client, "complete")

    assert seen[0] == ("InProgress", "Starting")
    assert seen[-1] == ("Completed", "Completed")
    found = client.describe_training_job(TrainingJobName="complete")
    assert found["ModelArtifacts"]["S3ModelArtifacts"].startswith("s3://models/complete/")
    listed = client.list_training_jobs(StatusEquals="Completed")["TrainingJobSummaries"]
    assert "complete" in {row["TrainingJobName"] for row in listed}


def test_a_job_can_be_stopped(cloud):
    """A launcher that is interrupted stops what it started."""
    client = cloud.client("sagemaker")
    client.create_training_job(**request("stopped"))

    client.stop_training_job(TrainingJobName="stopped")

    assert statuses(client, "stopped")[-1][0] == "Stopped"


def test_an_instance_type_that_sagemaker_does_not_have_is_refused(cloud):
    """boto3 checks types of values, not their choices; the service does."""
    wrong = request("wrong")
    wrong["ResourceConfig"] = {**wrong["ResourceConfig"], "InstanceType": "ml.p4d.25xlarge"}

    with pytest.raises(
        ClientError, match=r"InstanceType: got .*ml.p4d.25xlarge.*the field has no such value"
    ):
        cloud.client("sagemaker").create_training_job(**wrong)


def test_a_volume_key_is_refused_where_storage_is_local(cloud):
    """P4d keeps its volume on local NVMe, which no key of ours encrypts."""
    wrong = request("keyed")
    wrong["ResourceConfig"] = {**wrong["ResourceConfig"], "VolumeKmsKeyId": "key"}

    with pytest.raises(ClientError, match="remove VolumeKmsKeyId"):
        cloud.client("sagemaker").create_training_job(**wrong)


def test_a_job_with_a_file_system_that_is_not_there_fails_with_the_reason(cloud, vpc):
    """SageMaker takes the job and fails it while it downloads."""
    group = {"GroupDescription": "Nodes", "VpcId": {"Ref": "Vpc"}}
    stack = cloud.deploy(
        {**vpc, "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": group}},
        Outputs={"Group": {"Value": {"Fn::GetAtt": ["Group", "GroupId"]}}},
    )
    network = {
        "Subnets": [stack.physical_id("Subnet")],
        "SecurityGroupIds": [stack.outputs["Group"]],
    }
    source = {
        "FileSystemId": "fs-0123456789abcdef0",
        "FileSystemType": "FSxLustre",
        "FileSystemAccessMode": "ro",
        "DirectoryPath": "/abc/data",
    }
    channel = {"ChannelName": "data", "DataSource": {"FileSystemDataSource": source}}
    client = cloud.client("sagemaker")
    client.create_training_job(**request("lost", InputDataConfig=[channel], VpcConfig=network))

    assert statuses(client, "lost")[-1][0] == "Failed"
    found = client.describe_training_job(TrainingJobName="lost")
    assert "fs-0123456789abcdef0 does not exist" in found["FailureReason"]


def test_a_name_is_used_once(cloud):
    """Job names are unique for ever, which retries must know."""
    client = cloud.client("sagemaker")
    client.create_training_job(**request("twice"))

    with pytest.raises(ClientError, match="ResourceInUse"):
        client.create_training_job(**request("twice"))


def test_quotas_have_defaults_and_can_be_raised(cloud):
    """Preflight compares what a cluster needs with what the account may have."""
    client = cloud.elsewhere(region="eu-west-1").client("service-quotas")
    wanted = {"ServiceCode": "ec2", "QuotaCode": "L-417A185B"}
    assert client.get_service_quota(**wanted)["Quota"]["Value"] == 0

    client.request_service_quota_increase(**wanted, DesiredValue=48000.0)

    assert client.get_service_quota(**wanted)["Quota"]["Value"] == 48000
    defaults = client.list_aws_default_service_quotas(ServiceCode="ec2")["Quotas"]
    assert {row["QuotaCode"]: row["Value"] for row in defaults}["L-417A185B"] == 0
    names = {row["QuotaName"] for row in client.list_service_quotas(ServiceCode="ec2")["Quotas"]}
    assert "Running On-Demand P instances" in names
    here = cloud.client("service-quotas").get_service_quota(**wanted)["Quota"]
    assert here["Value"] == 0


def test_a_quota_that_does_not_exist_is_not_found(cloud):
    """SageMaker's codes are matched by name, because some change."""
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        cloud.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")


def test_a_state_machine_with_a_field_that_step_functions_does_not_know(cloud):
    """The integration takes fewer members than SageMaker: CloudFormation says so at creation."""
    task = {"Type": "Task", "Resource": "${Job}", "End": True, "Parameters": {"RetryStrategy": {}}}
    definition = {"StartAt": "Train", "States": {"Train": task}}
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}}
    document = {"Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}},
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "DefinitionString": json.dumps(definition),
                "DefinitionSubstitutions": {
                    "Job": "arn:aws:states:::sagemaker:createTrainingJob.sync"
                },
            },
        },
    }

    stack = cloud.deploy(resources)

    assert stack.status == "ROLLBACK_COMPLETE"
    assert 'field "RetryStrategy" is not supported' in stack.reasons()
