"""Faults of a campaign that concern no single resource: rollback, launch, CLI."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ultracluster.prove.deployment import StackTemplate
from ultracluster.rehearse import direct
from ultracluster.rehearse.campaign.account import Place
from ultracluster.rehearse.campaign.cycle import BETWEEN, Found, Row, changed, timed, unless
from ultracluster.rehearse.cdk import Cdk, CdkError
from ultracluster.retry.command import NEVER_CREATED
from ultracluster.spec.environment import EnvironmentSpec

ORPHAN: Final = "AWS::FSx::FileSystem"
ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
LATE: Final = "Resource timed out waiting for completion"
LAUNCH: Final = {"type": "AWS::EC2::Instance", "operation": "launch", "times": 10_000}
EXPIRED: Final = {
    "call": "cloudformation:*",
    "error": "ExpiredToken",
    "message": "The security token included in the request is expired",
    "after": 12,
    "times": 10_000,
}
CALLS: Final[dict[str, tuple[list[dict[str, Any]], int]]] = {
    # The rules, and the exit status that the CLI must have.
    "throttled": (
        [{"call": "cloudformation:*", "error": "Throttling", "after": 4, "times": 3}],
        0,
    ),
    "slow answers": ([{"call": "cloudformation:*", "seconds": 1.0, "after": 4, "times": 5}], 0),
    "eventually consistent": (
        [
            {
                "call": "cloudformation:DescribeChangeSet",
                "error": "ChangeSetNotFound",
                "message": "ChangeSet [cdk-deploy-change-set] does not exist",
            }
        ],
        1,
    ),
    "credentials expire": ([EXPIRED], 1),
}
"""What the CLI meets in the first deployment; a second one without faults must succeed."""

OF_STACKS: Final = {
    "stuck in progress": "_stuck",
    "made, and reported as failed": "_orphan",
    "the third of a kind": "_nth",
    "a creation's rollback fails": "_creation_rollback",
    "an update's rollback fails": "_update_rollback",
}
NEEDED: Final = {"stuck in progress": ORPHAN, "made, and reported as failed": ORPHAN}
"""The type that a fault is of, where it is no endpoint."""
OTHERS: Final = {"the CLI is killed": "_killed", "no capacity for a node": "_no_capacity"}


class KilledError(Exception):
    """The CLI is to be killed now."""


@dataclass(frozen=True)
class Between:
    """The faults between calls, each with an emulated AWS of its own."""

    place: Place

    @staticmethod
    def names(spec: EnvironmentSpec, stacks: Iterable[StackTemplate]) -> list[str]:
        """Return every fault that an environment can have."""
        resources = [each for stack in stacks for each in stack.template["Resources"].values()]
        kinds = {each["Type"] for each in resources}
        possible = [name for name in OF_STACKS if NEEDED.get(name, ENDPOINT) in kinds]
        nodes = ["no capacity for a node"] if spec.slurm and spec.slurm.login_instance_type else []
        return [*CALLS, "the CLI is killed", *possible, *nodes]

    def run(self, name: str) -> Row:
        named = getattr(self, OF_STACKS.get(name) or OTHERS.get(name, "_calls"))
        return timed(partial(named, name) if name in CALLS else named, BETWEEN, name, "", "")

    @property
    def _first(self) -> StackTemplate:
        return self.place.stacks[0]

    def _of(self, kind: str) -> tuple[StackTemplate, list[str]]:
        """Return the first stack with resources of a type, and their logical ids."""
        for stack in self.place.stacks:
            resources = stack.template["Resources"].items()
            if found := [name for name, each in resources if each["Type"] == kind]:
                return stack, found
        raise LookupError(kind)

    def _until(self, stack: StackTemplate) -> None:
        """Create the stacks before one."""
        for each in self.place.stacks[: self.place.stacks.index(stack)]:
            self.place.create(each)

    def _stuck(self) -> Found:
        stack, (name, *_) = self._of(ORPHAN)
        self._until(stack)
        self.place.fail({"logical_id": f"^{name}$", "seconds": 2, "message": LATE})
        stack_id, ended = self.place.create(stack)
        problems = unless(ended, "ROLLBACK_COMPLETE")
        if not self.place.reason(stack_id, name, LATE):
            problems.append("CloudFormation does not say that it timed out")
        return self._again(stack, ended, problems)

    def _orphan(self) -> Found:
        stack, (name, *_) = self._of(ORPHAN)
        self._until(stack)
        before = self.place.inventory()
        self.place.fail({"logical_id": f"^{name}$", "made": True, "message": LATE})
        _, ended = self.place.create(stack)
        left = self.place.left(before)
        orphans = [each.split()[1] for each in left if each.startswith(ORPHAN)]
        # What is in its security group cannot be deleted either.
        problems = [] if ended in NEVER_CREATED else [f"{ended}, not ROLLBACK_*"]
        if not orphans:
            problems.append("what CloudFormation does not know of was not found")
        for each in orphans:
            self.place.cloud.ask("fsx", "delete_file_system", FileSystemId=each)
        note = "found by what services show; aws fsx delete-file-system, then ultracluster retry"
        return {**self._again(stack, ended, problems), "note": note}

    def _nth(self) -> Found:
        stack, _ = self._of(ENDPOINT)
        self._until(stack)
        self.place.fail({"type": ENDPOINT, "after": 2, "message": "The maximum is reached"})
        _, ended = self.place.create(stack)
        return self._again(stack, ended, unless(ended, "ROLLBACK_COMPLETE") + self._unfired())

    def _again(self, stack: StackTemplate, ended: str, problems: list[str]) -> Found:
        """Remove a stack that failed, as `ultracluster retry` and the CLI do; create it anew."""
        self.place.fail()
        problems += [] if self.place.unlock(stack) else ["a protected stack was deleted"]
        direct.delete(self.place.cloud, stack.name)
        _, retried = self.place.create(stack)
        problems += unless(retried, "CREATE_COMPLETE")
        return {"ended": ended, "retried": retried, "problems": problems}

    def _creation_rollback(self) -> Found:
        stack = self._first
        *_, last = (
            name
            for name, each in stack.template["Resources"].items()
            if each["Type"] != "AWS::CDK::Metadata" and "DeletionPolicy" not in each
        )
        self.place.fail(
            {"logical_id": f"^{last}$", "message": "no"},
            {"operation": "rollback", "message": "not undone either"},
        )
        _, ended = self.place.create(stack)
        return self._again(stack, ended, unless(ended, "ROLLBACK_FAILED") + self._unfired())

    def _update_rollback(self) -> Found:
        stack, (first, second, *_) = self._of(ENDPOINT)
        self._until(stack)
        self.place.create(stack)
        template: Any = stack.template
        for name in (first, second):
            change = changed(template, name, self.place.spec.region)
            template = change[0] if change else template
        self.place.fail(
            {"operation": "update", "logical_id": f"^({first}|{second})$", "after": 1},
            {"operation": "rollback", "message": "not undone either"},
        )
        cloud, region = self.place.cloud, self.place.spec.region
        ended = direct.update(cloud, stack.name, template, region)
        problems = unless(ended, "UPDATE_ROLLBACK_FAILED") + self._unfired()
        cloud.ask("cloudformation", "continue_update_rollback", StackName=stack.name)
        out = direct.settled(cloud, stack.name)
        problems += unless(out, "UPDATE_ROLLBACK_COMPLETE")
        retried = direct.update(cloud, stack.name, template, region)
        note = "way out: aws cloudformation continue-update-rollback"
        problems += unless(retried, "UPDATE_COMPLETE")
        return {"ended": ended, "retried": retried, "problems": problems, "note": note}

    def _no_capacity(self) -> Found:
        stack, _ = self._of("AWS::PCS::ComputeNodeGroup")
        self._until(stack)
        self.place.fail(LAUNCH)
        _, ended = self.place.create(stack)
        problems = unless(ended, "CREATE_COMPLETE") + self._unfired()
        instances = self.place.cloud.ask("ec2", "describe_instances")["Reservations"]
        if instances:
            problems.append("instances run although there was no capacity")
        note = "the stack is complete and no node runs: ultracluster prove says so"
        return {"ended": ended, "retried": "", "problems": problems, "note": note}

    def _calls(self, name: str) -> Found:
        rules, wanted = CALLS[name]
        cdk = Cdk(self.place.emulator.environment())
        self.place.fail(*rules)
        status = self._deploy(cdk)
        problems = [] if status == wanted else [f"exit status {status}, not {wanted}"]
        problems += self._unfired()
        self.place.fail()
        return self._deployed_again(cdk, f"exit {status}", problems)

    def _killed(self) -> Found:
        """Kill the CLI when the first stack is in progress, and start it again."""
        cdk = Cdk(self.place.emulator.environment())
        problems = ["the CLI ended before it could be killed"]
        try:
            self._deploy(cdk, _kill)
        except KilledError:
            problems = []
        return self._deployed_again(cdk, "killed", problems)

    def _deployed_again(self, cdk: Cdk, ended: str, problems: list[str]) -> Found:
        again = self._deploy(cdk)
        problems += [] if again == 0 else [f"the repeated deployment exits with {again}"]
        return {"ended": ended, "retried": f"exit {again}", "problems": problems}

    def _deploy(self, cdk: Cdk, listener: Callable[[str], None] = lambda _: None) -> int:
        pattern = f"{self.place.spec.name}/{self._first.construct_id}"
        options = ("--require-approval", "never", "--progress", "events", "--ci")
        try:
            cdk.run(["deploy", pattern, "--app", str(self.place.assembly), *options], listener)
        except CdkError:
            return 1
        return 0

    def _unfired(self) -> list[str]:
        return [f"the fault never happened: {rule}" for rule in self.place.unfired]


def _kill(line: str) -> None:
    """End the CLI, which is killed with whoever reads its lines."""
    if "CREATE_IN_PROGRESS" in line:
        raise KilledError
