"""What SageMaker tells a container of the job that it is part of."""

import contextlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.problems import UserError

OURS: Final = {
    "training": ("training.train", "gpt-30b-p4d"),
    "torchtitan": ("training.torchtitan", "llama3-8b"),
}
"""Engines that take a recipe: the module of each, and a recipe for an error to name."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts of one job."""

    host: str
    hosts: tuple[str, ...]
    """All of them in the order of their numbers."""
    instance_type: str | None
    """This host's, as SageMaker writes it."""
    interface: str | None
    """Network interface between the hosts."""

    @classmethod
    def read(cls, root: Path) -> "Cluster":
        """Return what SageMaker wrote into input/config/resourceconfig.json."""
        found = read_json(root / "input" / "config" / "resourceconfig.json")
        try:
            host, hosts = str(found["current_host"]), [str(name) for name in found["hosts"]]
        except (KeyError, TypeError):
            raise UserError("resourceconfig.json names no current_host and hosts") from None
        if host not in hosts:
            raise UserError(
                f"resourceconfig.json says this host is {host}, which is not of its "
                f"hosts {', '.join(hosts)}"
            )
        try:
            types = {str(group["instance_type"]) for group in found.get("instance_groups") or []}
        except (KeyError, TypeError):
            raise UserError("resourceconfig.json names a group without instance_type") from None
        if len(types) > 1:
            raise UserError(
                f"instance groups are of {', '.join(sorted(types))}: EFA joins nodes of "
                "one type; write one instance type"
            )
        return cls(
            host,
            tuple(sorted(hosts, key=numbered)),
            found.get("current_instance_type"),
            found.get("network_interface_name"),
        )

    @property
    def number(self) -> int:
        return self.hosts.index(self.host)


def numbered(name: str) -> tuple[str, int]:
    """Return what to sort host names by, so that algo-2 comes before algo-10."""
    found = re.fullmatch(r"(.*?)(\d+)", name)
    return (found[1], int(found[2])) if found else (name, -1)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}; this is the entry point of SageMaker training jobs, which "
            "write it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON object: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: is no JSON object: it holds {type(found).__name__}")
    return found


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Return hyperparameters as plain texts; SageMaker's SDK writes them as JSON."""
    found = {}
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        if text[:1] == '"':
            with contextlib.suppress(ValueError):
                text = str(json.loads(text))
        found[name] = text
    return found


def _parsed(values: Mapping[str, str], name: str, kind: type, example: str) -> Any:
    text = values.get(name, "")
    if not text:
        return kind()
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"hyperparameter {name} is no JSON ({error}); write {example}") from None
    if not isinstance(found, kind):
        raise UserError(f"hyperparameter {name} is {type(found).__name__}; write {example}")
    return found


def setting(name: str, value: Any) -> str:
    """Return one setting as `--set` takes it."""
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if value is None:
        return f"{name}=none"
    if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
        return f"{name}={','.join(map(str, value))}"
    if isinstance(value, str | int | float):
        return f"{name}={value}"
    raise UserError(
        f"hyperparameter settings: {name} is {json.dumps(value)}; write a number or text"
    )


def command(values: Mapping[str, str], root: Path) -> list[str]:
    """Return what each rank is to run."""
    engine = values.get("engine")
    if engine is None:
        raise UserError(
            "there is no hyperparameter engine; write training, or another engine's "
            "name and its program"
        )
    if engine in OURS:
        module, example = OURS[engine]
        recipe = values.get("recipe")
        if not recipe:
            raise UserError(
                f"engine is {engine} and there is no hyperparameter recipe; write the "
                f"name of one, {example} for example"
            )
        given = _parsed(values, "settings", dict, '{"parallel.partition_size": 32}')
        changes = [part for n, v in given.items() for part in ("--set", setting(n, v))]
        return [sys.executable, "-m", module, recipe, *changes]
    program = values.get("program")
    if not program:
        raise UserError(
            f"engine is {engine} and there is no hyperparameter program; write the "
            "path of its script"
        )
    path = Path(program) if Path(program).is_absolute() else root / "code" / program
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; write a path in the image or in /opt/ml")
    arguments = _parsed(values, "arguments", list, '["--epochs", "3"]')
    start = [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]
    return [*start, *map(str, arguments)]
