"""SageMaker training jobs: requests checked by SageMaker's model, a life over a few describes.

CloudFormation has no type for a training job, so launchers call the API. Nothing is trained: each
DescribeTrainingJob moves a job one step on, so that code that waits can be rehearsed without
waiting. A job whose storage or network could not work ends as `Failed`, with the reason. What could
never work is refused by the catalogue's rules, more of it than SageMaker itself may refuse.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ultracluster.catalogue.training_place import (
    OfferedFileSystem,
    OfferedSubnet,
    Place,
    file_system_problems,
)
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import refused
from ultracluster.emulator import fsx, wire
from ultracluster.emulator.faults import Faults, InjectedFaultError
from ultracluster.emulator.ministack import network
from ultracluster.emulator.provisioning import LEDGER, Record, Scope, ServiceError

JOB: Final = "SageMaker::TrainingJob"
SERVICE: Final = "SageMaker"
IN_PROGRESS: Final = "InProgress"
STEPS: Final = ("Starting", "Downloading", "Training", "Uploading")
"""Secondary statuses of a job that runs well (API reference, DescribeTrainingJob)."""


@dataclass(frozen=True)
class TrainingJobs:
    """The training job part of SageMaker's API."""

    faults: Faults

    @property
    def operations(self) -> Mapping[str, wire.Operation]:
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list_jobs,
            "ListTags": self.list_tags,
            "StopTrainingJob": self.stop,
        }

    def create(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        name = str(arguments["TrainingJobName"])
        if LEDGER.find(scope, JOB, name) is not None:
            words = "Training job names must be unique within an AWS account and region, and a "
            words += f"training job with this name already exists ({_arn(scope, name)})"
            raise ServiceError(SERVICE, "ResourceInUse", words)
        if found := list(refused(parsed(arguments), scope.region)):
            # The rules that a launcher checks by: what the catalogue knows could never work.
            raise ServiceError(SERVICE, "ValidationException", "; ".join(map(str, found)))
        try:
            self.faults.check(JOB, "create", name)
        except InjectedFaultError as error:
            raise ServiceError(SERVICE, "ResourceLimitExceeded", str(error)) from error
        record = Record(JOB, name, scope, dict(arguments))
        record.state = {
            "status": IN_PROGRESS,
            "step": 0,
            "failure": self._injected(name) or next(_failures(scope, arguments), None),
            "transitions": [{"Status": STEPS[0], "StartTime": record.created}],
            "interfaces": _interfaces(name, arguments.get("VpcConfig") or {}),
        }
        LEDGER.keep(record)
        return {"TrainingJobArn": _arn(scope, name)}

    def describe(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer DescribeTrainingJob, and move the job one step on."""
        record = _required(scope, arguments)
        answer, state = _description(record), record.state
        if state["status"] == "Stopping":
            _end(record, "Stopped")
        elif state["status"] == IN_PROGRESS:
            state["step"] += 1
            if state["step"] < len(STEPS):
                _enter(record, STEPS[state["step"]])
            if state["failure"] and state["step"] > STEPS.index("Downloading"):
                _end(record, "Failed")
            elif state["step"] == len(STEPS):
                _end(record, "Completed")
        return answer

    def list_jobs(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer ListTrainingJobs by status and part of the name, newest first."""
        rows = [_description(record) for record in LEDGER.of_type(scope, JOB)]
        status, part = arguments.get("StatusEquals"), str(arguments.get("NameContains", ""))
        kept = [
            row
            for row in reversed(rows)
            if part in row["TrainingJobName"]
            and status in (None, row["TrainingJobStatus"])
            # Warm pools are not modelled: no job has one.
            and not arguments.get("WarmPoolStatusEquals")
        ]
        return {"TrainingJobSummaries": kept[: arguments.get("MaxResults")]}

    def list_tags(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer ListTags of a job."""
        name = str(arguments["ResourceArn"]).rpartition("/")[2]
        return {"Tags": _required(scope, {"TrainingJobName": name}).properties.get("Tags", [])}

    def stop(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer StopTrainingJob; the next describe finds the job stopped."""
        record = _required(scope, arguments)
        if record.state["status"] != IN_PROGRESS:
            words = "The request was rejected because the training job is in status "
            words += f"{record.state['status']}."
            raise ServiceError(SERVICE, "ValidationException", words)
        record.state["status"] = "Stopping"
        return {}

    def _injected(self, name: str) -> str | None:
        try:
            self.faults.check(JOB, "run", name)
        except InjectedFaultError as error:
            return str(error)
        return None


def _end(record: Record, status: str) -> None:
    record.state["status"] = status
    _enter(record, status)
    record.state["ended"] = datetime.now(UTC)
    network.remove_interfaces(record.state["interfaces"])


def _required(scope: Scope, arguments: wire.Arguments) -> Record:
    record = LEDGER.find(scope, JOB, str(arguments["TrainingJobName"]))
    if record is None:
        raise ServiceError(SERVICE, "ValidationException", "Requested resource not found.")
    return record


def _interfaces(name: str, vpc: Mapping[str, Any]) -> list[str]:
    made = []
    for subnet_id in vpc.get("Subnets") or ():
        subnet = network.required_subnet(SERVICE, subnet_id)
        groups = network.required_groups(SERVICE, vpc["SecurityGroupIds"], subnet)
        what = f"Training job {name}"
        made.append(network.add_interface(subnet_id, groups, what, "amazon-sagemaker"))
    return made


def _failures(scope: Scope, arguments: wire.Arguments) -> Iterator[str]:
    """Yield why a job's file systems cannot be mounted (SageMaker guide, "FSx for Lustre")."""
    request = parsed(arguments)
    records = {each.physical_id: each for each in LEDGER.of_type(scope, fsx.FILE_SYSTEM)}
    for channel in request.file_systems:
        if channel.file_system_id not in records:
            yield f"ClientError: File system {channel.file_system_id} does not exist."
    place = Place(
        scope.region,
        subnets={each: OfferedSubnet(_zone(each), 0) for each in request.subnets},
        file_systems={
            name: OfferedFileSystem(
                _zone(record.properties["SubnetIds"][0]), record.attributes["LustreMountName"]
            )
            for name, record in records.items()
        },
    )
    yield from (f"ClientError: {each}" for each in file_system_problems(request, place))


def _zone(subnet_id: str) -> str:
    return str((network.find("subnet", subnet_id) or {}).get("AvailabilityZoneId"))


def _enter(record: Record, status: str) -> None:
    """Note that a job has come to another part of its life."""
    now = datetime.now(UTC)
    transitions = record.state["transitions"]
    transitions[-1]["EndTime"] = now
    transitions.append({"Status": status, "StartTime": now})


def _description(record: Record) -> dict[str, Any]:
    state, given = record.state, record.properties
    ended = state.get("ended")
    running = state["status"] == IN_PROGRESS
    secondary = STEPS[min(state["step"], len(STEPS) - 1)] if running else state["status"]
    answer = {
        **given,
        "TrainingJobArn": _arn(record.scope, record.physical_id),
        "TrainingJobStatus": state["status"],
        "SecondaryStatus": secondary,
        "SecondaryStatusTransitions": [dict(each) for each in state["transitions"]],
        "CreationTime": record.created,
        "TrainingStartTime": record.created,
        "LastModifiedTime": ended or record.created,
        "TrainingEndTime": ended,
    }
    if state["status"] == "Failed":
        answer["FailureReason"] = state["failure"]
    if state["status"] == "Completed":
        folder = str(given["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
        artifacts = f"{folder}/{record.physical_id}/output/model.tar.gz"
        answer["ModelArtifacts"] = {"S3ModelArtifacts": artifacts}
    return answer


def _arn(scope: Scope, name: str) -> str:
    return scope.arn("sagemaker", f"training-job/{name}")
