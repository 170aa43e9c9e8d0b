"""AWS Batch through CloudFormation; MiniStack has the API and keeps less than it is given."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.emulator.casing import camel
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, Provisioner, Resource, ServiceError

Call = Callable[[Mapping[str, Any]], tuple[int, Any, bytes]]


@dataclass(frozen=True)
class Kind:
    """How a Batch type is made and where it is kept."""

    noun: str
    create: str
    store: str
    attribute: str | None


COMPUTE_ENVIRONMENT: Final = Kind(
    "computeEnvironment", "_create_compute_environment", "_compute_envs", "ComputeEnvironmentArn"
)
JOB_QUEUE: Final = Kind("jobQueue", "_create_job_queue", "_job_queues", "JobQueueArn")


@dataclass(frozen=True)
class NamedBatchType:
    """A compute environment or a job queue: `Ref` is the ARN, the name is the key."""

    kind: Kind

    def create(self, order: Order) -> Resource:
        """Make it, and keep every member of the template."""
        noun = self.kind.noun
        request = _request(order, f"{noun}Name")
        answer = _answered(getattr(internals.batch, self.kind.create), request)
        self._store()[request[f"{noun}Name"]].update(request)
        return self._resource(str(answer[f"{noun}Arn"]))

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        """Keep the new members."""
        del previous
        name = physical_id.rsplit("/", 1)[-1]
        self._store()[name].update(_request(order, f"{self.kind.noun}Name", name))
        return self._resource(physical_id)

    def delete(self, physical_id: str, order: Order) -> None:
        """Remove it; a compute environment that a queue uses is refused, as Batch does."""
        del order
        for queue in internals.batch._job_queues.values():
            for each in queue.get("computeEnvironmentOrder") or ():
                if each.get("computeEnvironment") == physical_id:
                    raise ServiceError(
                        "Batch",
                        "ClientException",
                        "Cannot delete, found existing JobQueue relationship",
                    )
        self._store().pop(physical_id.rsplit("/", 1)[-1], None)

    def _store(self) -> Any:
        return getattr(internals.batch, self.kind.store)

    def _resource(self, arn: str) -> Resource:
        return Resource(arn, {self.kind.attribute: arn} if self.kind.attribute else {})


class JobDefinition:
    """`AWS::Batch::JobDefinition`: every change is a new revision."""

    def create(self, order: Order) -> Resource:
        """Register a revision, and keep every member of the template."""
        request = _request(order, "jobDefinitionName")
        return self._register(request)

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        """Register the next revision."""
        del previous
        name = physical_id.rsplit("/", 1)[-1].rsplit(":", 1)[0]
        return self._register(_request(order, "jobDefinitionName", name))

    def delete(self, physical_id: str, order: Order) -> None:
        """Deregister the revision; the others stay, as with Batch."""
        del order
        name = physical_id.rsplit("/", 1)[-1].rsplit(":", 1)[0]
        for revision in internals.batch._job_definitions.get(name) or ():
            if revision["jobDefinitionArn"] == physical_id:
                revision["status"] = "INACTIVE"

    def _register(self, request: Mapping[str, Any]) -> Resource:
        answer = _answered(internals.batch._register_job_definition, request)
        revisions = internals.batch._job_definitions[request["jobDefinitionName"]]
        revisions[-1].update(request)
        arn = str(answer["jobDefinitionArn"])
        return Resource(arn, {"JobDefinitionArn": arn})


def install() -> None:
    """Let DescribeComputeEnvironments take ARNs, as it does names."""
    dispatch = internals.batch._DISPATCH
    inner = dispatch["/v1/describecomputeenvironments"]

    def describe(arguments: Mapping[str, Any]) -> Any:
        wanted = arguments.get("computeEnvironments") or ()
        names = [str(each).rsplit("/", 1)[-1] for each in wanted]
        return inner({**arguments, "computeEnvironments": names})

    dispatch["/v1/describecomputeenvironments"] = describe


def provisioners() -> dict[str, Provisioner]:
    """Return the provisioners of Batch."""
    return {
        "AWS::Batch::ComputeEnvironment": NamedBatchType(COMPUTE_ENVIRONMENT),
        "AWS::Batch::JobQueue": NamedBatchType(JOB_QUEUE),
        "AWS::Batch::JobDefinition": JobDefinition(),
    }


def _request(order: Order, name: str, known_as: str = "") -> dict[str, Any]:
    request: dict[str, Any] = camel(order.properties)
    request[name] = known_as or request.get(name) or order.generated_name
    if request.get("type"):
        # CloudFormation takes any case, the API answers in its own.
        request["type"] = str(request["type"])
    return request


def _answered(call: Call, request: Mapping[str, Any]) -> dict[str, Any]:
    status, _, body = call(request)
    answer: dict[str, Any] = json.loads(body or b"{}")
    if status >= 400:  # noqa: PLR2004 - an HTTP error
        message = str(answer.get("message") or answer.get("Message"))
        raise ServiceError("Batch", str(answer.get("__type", "ClientException")), message)
    return answer
