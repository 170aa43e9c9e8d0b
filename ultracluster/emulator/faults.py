"""Failures on purpose: a resource that fails so that rollback and retry can be rehearsed.

A fault file is a JSON list of rules, read again at every use, so that a test or a person can
change it while the emulator runs:

    [{"type": "AWS::FSx::FileSystem", "operation": "create", "logical_id": "^Storage",
      "message": "Insufficient capacity in the Availability Zone", "times": 1}]

A training job has the type `SageMaker::TrainingJob`: with the operation `create` the request is
refused as beyond the account's limits, with `run` the job is taken and fails with the message.

`type` may be `*`; `logical_id` is a regular expression; `operation` is create, update or delete.
`times` says how often the rule fires (default 1), so that the next attempt succeeds.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

from ultracluster.given_file import UnreadableError, json_of, text_of


class InjectedFaultError(ValueError):
    """A failure that a fault rule asked for."""


KNOWN: Final = {"type", "operation", "logical_id", "message", "times"}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rules of a fault file.

    Raises:
        ValueError: where it is missing, is no JSON, or holds something else than rules.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; write the path of a JSON list of faults")
    try:
        rules = json_of(path, text_of(path) or "[]")
    except UnreadableError as error:
        raise ValueError(str(error)) from error
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ValueError(f"{path}: it is no list of objects; write [{{...}}]")
    for rule in rules:
        if strange := sorted(set(rule) - KNOWN):
            raise ValueError(
                f"{path}: got {', '.join(strange)}; a fault has {', '.join(sorted(KNOWN))}"
            )
    return rules


class Faults:
    """The rules of a fault file, and how often each has fired."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fired: Counter[str] = Counter()

    def check(self, type_name: str, operation: str, logical_id: str) -> None:
        """Fail where a rule asks for it.

        Raises:
            InjectedFaultError: with the rule's message.
        """
        for rule in self._rules():
            key = json.dumps(rule, sort_keys=True)
            if not _matches(rule, type_name, operation, logical_id):
                continue
            if self._fired[key] >= int(rule.get("times", 1)):
                continue
            self._fired[key] += 1
            raise InjectedFaultError(str(rule.get("message", "A fault was injected")))

    def _rules(self) -> list[dict[str, Any]]:
        if self._path is None or not self._path.exists():
            return []
        return read(self._path)


def _matches(rule: dict[str, Any], type_name: str, operation: str, logical_id: str) -> bool:
    return (
        rule.get("type", "*") in ("*", type_name)
        and rule.get("operation", "create") == operation
        and re.search(str(rule.get("logical_id", "")), logical_id) is not None
    )
