"""The journal: a file with every resource that the acceptance created, and how to delete each.

A thing is written down before it is made: whatever ends the program in between, `--clean-up` knows
what there may be. To take away what is not there is no error.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ultracluster.aws import CloudError
from ultracluster.exit_status import CommandError, UsageError
from ultracluster.run_command import GONE, under_way
from ultracluster.untrusted_file import UnreadableError, json_of, text_of

if TYPE_CHECKING:
    from ultracluster.accept.scene import Scene

T = TypeVar("T")
Entry = dict[str, Any]
SHELL: Final = "shell"
TRIES: Final = 6
FIRST_PAUSE: Final = 1.0
"""Seconds before the second try, doubled before each next one: a minute altogether."""
COMMAND_SECONDS: Final = 300
"""For the commands that run when a run is interrupted."""
ABSENT: Final = (
    *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
    *("ExecutionDoesNotExist", "ChangeSetNotFound", "NotFound", "NoSuchBucket"),
)
"""What services say of what is not there."""


class Journal:
    """The things that are there, oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.entries: list[Entry] = json_of(path, text_of(path)) if path.exists() else []
        except UnreadableError as error:
            raise UsageError(f"{error}; it was not written by this") from error
        if not isinstance(self.entries, list) or not all(map(_is_entry, self.entries)):
            raise UsageError(f"{path}: not a journal of resources; it was not written by this")

    def will_make(self, kind: str, **details: str) -> None:
        """Write down a thing that is about to be made."""
        entry = {"kind": kind, **details}
        if entry not in self.entries:
            self.entries.append(entry)
            self._write()

    def is_gone(self, entry: Entry) -> None:
        self.entries.remove(entry)
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(self.entries, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        return False
    remover = REMOVERS.get(value.get("kind", ""))
    named = {name for name in value if value[name] or name == "instance"}
    # Without an instance a command is of the login node; all else has a name, or means too much.
    return remover is not None and {"kind", *signature(remover).parameters} - {"scene"} == named


def clean_up(scene: "Scene", say: Callable[[str], None]) -> list[Entry]:
    """Take away all that was made, newest first; return what is still there.

    What AWS does not answer is tried again for a minute; then it stays in the journal.
    """
    journal = scene.journal
    ended = _end_commands(scene, say)
    for entry in reversed(list(journal.entries)):
        words = ", ".join(str(value) for value in entry.values() if value)
        try:
            _take_away(scene, entry)
        except CommandError as error:
            say(f"could not take away {words}: {error}")
        else:
            if ended or entry["kind"] != SHELL:
                journal.is_gone(entry)
            say(f"took away {words}")
    return list(journal.entries)


def _end_commands(scene: "Scene", say: Callable[[str], None]) -> bool:
    """Return whether every command on a node has ended, after a first look at what they made.

    Whoever interrupts this program does not interrupt a command on a node: nodes that it asks for
    may be granted after `scancel`, which has to be said once more when the command has ended.
    """
    shells = [entry for entry in reversed(scene.journal.entries) if entry["kind"] == SHELL]
    running: list[str] = []

    def look() -> list[str]:
        return _patiently(scene, lambda: under_way(scene.cloud, scene.comment))

    try:
        if shells and (running := look()):
            for entry in shells:
                with suppress(CommandError):
                    _take_away(scene, entry)
            running = scene.until(look, lambda ids: not ids, COMMAND_SECONDS)
    except CommandError as error:
        say(f"whether commands on nodes have ended is not known: {error}")
        return False
    if running:
        say(f"commands on nodes that have not ended: {', '.join(running)}")
    return not running


def _take_away(scene: "Scene", entry: Entry) -> None:
    details = {name: value for name, value in entry.items() if name != "kind"}
    try:
        _patiently(scene, lambda: REMOVERS[entry["kind"]](scene, **details))
    except CloudError as error:
        gone = error.code in ABSENT or "does not exist" in error.message
        if not (error.answered and gone):
            raise


def _patiently(scene: "Scene", act: Callable[[], T]) -> T:
    """Do something, and again where nobody answers."""
    for left in range(TRIES - 1, 0, -1):
        try:
            return act()
        except CloudError as error:
            if error.answered:
                raise
            time.sleep(FIRST_PAUSE * scene.patience * 2 ** (TRIES - 1 - left))
    return act()


def _queue(scene: "Scene", name: str) -> None:
    url = scene.cloud.ask("sqs", "get_queue_url", QueueName=name)["QueueUrl"]
    scene.cloud.ask("sqs", "delete_queue", QueueUrl=url)


def _subscription(scene: "Scene", topic: str, name: str) -> None:
    rows = scene.cloud.ask("sns", "list_subscriptions_by_topic", TopicArn=topic)
    for row in rows["Subscriptions"]:
        if row["Endpoint"].endswith(f":{name}"):
            scene.cloud.ask("sns", "unsubscribe", SubscriptionArn=row["SubscriptionArn"])


def _objects(scene: "Scene", bucket: str, prefix: str) -> None:
    """Delete every version: the bucket keeps them otherwise."""
    where = {"Bucket": bucket}
    found = scene.cloud.ask("s3", "list_object_versions", **where, Prefix=prefix)
    rows = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
    for row in rows:
        named = {"Key": row["Key"], "VersionId": row["VersionId"]}
        scene.cloud.ask("s3", "delete_object", **where, **named)


def _execution(scene: "Scene", arn: str) -> None:
    execution = scene.cloud.ask("stepfunctions", "describe_execution", executionArn=arn)
    if execution["status"] == "RUNNING":
        scene.cloud.ask("stepfunctions", "stop_execution", executionArn=arn)


def _training_job(scene: "Scene", name: str) -> None:
    named = {"TrainingJobName": name}
    with suppress(CloudError):
        status = scene.cloud.ask("sagemaker", "describe_training_job", **named)["TrainingJobStatus"]
        if status == "InProgress":
            scene.cloud.ask("sagemaker", "stop_training_job", **named)


def _shell(scene: "Scene", instance: str, command: str) -> None:
    """Run the command that undoes; a node that is gone has nothing to undo."""
    try:
        said = scene.root(command, instance)
    except CloudError as error:
        if instance and error.code == GONE:
            return
        raise
    if said.status:
        raise CommandError(said.text)


def _change_set(scene: "Scene", stack: str, name: str) -> None:
    named = {"StackName": stack, "ChangeSetName": name}
    scene.cloud.ask("cloudformation", "delete_change_set", **named)


REMOVERS: Final[Mapping[str, Callable[..., None]]] = {
    "queue": _queue,
    "subscription": _subscription,
    "objects": _objects,
    "execution": _execution,
    "training job": _training_job,
    SHELL: _shell,
    "change set": _change_set,
}
"""What takes a thing of each kind away; its parameters are what an entry of it has besides."""
