"""An emulated account in which the stacks of a campaign are deployed and removed."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from ultracluster.aws import Account
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.emulator.process import EMULATED, Emulator
from ultracluster.prove.deployment import LISTS, STRAYS, StackTemplate, listed, stack_templates
from ultracluster.prove.leftovers import is_gone, words_of
from ultracluster.rehearse import direct
from ultracluster.rehearse.substitutes import substitute_image_parameter
from ultracluster.retry.command import unprotect
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_groups import images

Kept = frozenset[tuple[str, str]]
Inventory = dict[tuple[str, str], set[str]]
"""What services show, by type and id, and what each names."""
STACK: Final = "AWS::CloudFormation::Stack "


@dataclass
class Place:
    """An emulator of its own, with a fault file, and the stacks of an environment."""

    spec: EnvironmentSpec
    assembly: Path
    directory: Path
    stacks: tuple[StackTemplate, ...] = field(init=False)

    def __enter__(self) -> Self:
        self.faults = self.directory / "faults.json"
        self.fail()
        account = self.spec.account or EMULATED
        self.emulator = Emulator(self.spec.region, account, self.faults)
        self.emulator.__enter__()
        self.cloud = Account(self.spec.region, self.emulator.environment())
        self.stacks = stack_templates(self.assembly, self.spec.name)
        for image in set(images(self.spec).values()):
            substitute_image_parameter(self.cloud, image)
        direct.publish(self.cloud, self.spec.region, self.assembly / f"assembly-{self.spec.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self.emulator.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def fail(self, *rules: dict[str, Any]) -> None:
        """Ask for failures from now on, and for no others."""
        self.faults.write_text(json.dumps(rules))

    @property
    def unfired(self) -> tuple[str, ...]:
        return self.emulator.report().unfired

    def create(self, stack: StackTemplate) -> tuple[str, str]:
        """Create a stack; return its id, and the status that it comes to rest in."""
        tags = [{"Key": ENVIRONMENT_TAG, "Value": self.spec.name}]
        stack_id = direct.create(self.cloud, stack, self.spec.region, Tags=tags)
        return stack_id, direct.settled(self.cloud, stack_id)

    def exists(self, stack: StackTemplate) -> bool:
        rows = self.cloud.ask("cloudformation", "describe_stacks")["Stacks"]
        return any(row["StackName"] == stack.name and not is_gone(row) for row in rows)

    def stack_id(self, stack: StackTemplate) -> str:
        """Return a stack's id, by which it is known when it is deleted as well."""
        row = self.cloud.ask("cloudformation", "describe_stacks", StackName=stack.name)
        return str(row["Stacks"][0]["StackId"])

    def unlock(self, stack: StackTemplate) -> bool:
        """Lift a stack's protection, and return whether it was what forbade the deletion."""
        if not stack.termination_protection:
            return True
        if not direct.refuses_deletion(self.cloud, stack.name):
            return False
        unprotect(self.cloud, stack.name)
        return True

    def inventory(self) -> Inventory:
        """Return everything that services show, whoever made it.

        Raises:
            CloudError: where a service does not answer: what it has is unknown.
        """
        return {
            (kind, str(row[LISTS[kind][3]])): words_of(row)
            for kind in LISTS
            for row in listed(self.cloud, kind)
            if not is_gone(row)
        }

    def left(self, before: Inventory, kept: Kept = frozenset()) -> list[str]:
        """Return what is there and was not, but for what is kept, and what belongs to that."""
        ids, found = {name for _, name in kept}, self.inventory()
        # A file system names its interfaces; a route table names its VPC.
        for key, words in found.items():
            ids |= words if key in kept else set()
        return sorted(
            f"{kind} {name}"
            for (kind, name), words in found.items()
            if (kind, name) not in before
            and not words & ids
            and not f"{kind} {name}".startswith((*STRAYS, STACK))
        )

    def kept(self, stack: StackTemplate) -> Kept:
        """Return what a stack leaves on purpose when it is deleted, as it stands now."""
        answer = self.cloud.ask("cloudformation", "list_stack_resources", StackName=stack.name)
        wanted = stack.template["Resources"]
        return frozenset(
            (row["ResourceType"], str(row.get("PhysicalResourceId")))
            for row in answer["StackResourceSummaries"]
            if wanted[row["LogicalResourceId"]].get("DeletionPolicy", "").startswith("Retain")
        )

    def reason(self, name: str, logical_id: str, words: str) -> bool:
        """Whether CloudFormation says of a resource why it failed."""
        said = direct.reasons(self.cloud, name)
        return any(each.startswith(f"{logical_id}: ") and words in each for each in said)
