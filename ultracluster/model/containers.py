"""Containers in manifests and definitions: their variables, and what their commands hand on."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.model.shell_variables import Assignment, commanded_by
from ultracluster.templates.resolved import Unknown
from ultracluster.templates.resolved_values import written
from ultracluster.templates.scope import mapping

LISTS: Final = frozenset({"Environment", "Env", "env", "environment"})
COMMANDS: Final = ("EntryPoint", "entryPoint", "Command", "command", "Args", "args")
"""What a container runs and then with which arguments, in the words of each service."""
SELECTORS: Final = ("nodeSelector", "NodeSelector")
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
CONFIG_MAP: Final = "ConfigMap"
FABRIC_NAME: Final = re.compile(r"(?:NCCL|FI|OFI_NCCL|RDMAV)_[A-Z0-9_]+")
LATER: Final = Unknown("it comes from a config map, a secret or the pod")

Bound = tuple[str, ...]
"""Instance types that a pod is bound to."""


def containers_of(value: Any, bound: Bound = ()) -> Iterator[tuple[Mapping[str, Any], Bound]]:
    """Yield each part of a document that has variables or a command, with where it is bound to."""
    if isinstance(value, Mapping):
        bound = _bound(value) or bound
        if value.get("kind") == CONFIG_MAP and isinstance(value.get("data"), Mapping):
            yield _config_map(value["data"]), bound
            return
        if any(isinstance(value.get(name), list | Mapping) for name in LISTS) or _words(value):
            yield value, bound
        for name, inner in value.items():
            if name not in LISTS:
                yield from containers_of(inner, bound)
    elif isinstance(value, list):
        for inner in value:
            yield from containers_of(inner, bound)


def _bound(value: Mapping[str, Any]) -> Bound:
    found = (mapping(value.get(name)).get(INSTANCE_TYPE) for name in SELECTORS)
    return tuple(name for name in found if isinstance(name, str) and "$" not in name)


def _config_map(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the variables and scripts of a config map as a container would state them."""
    scripts = [text for text in data.values() if isinstance(text, str) and text[:2] == "#!"]
    return {
        "env": {name: text for name, text in data.items() if FABRIC_NAME.fullmatch(str(name))},
        "command": ["sh", "-c", "\n".join(scripts)] if scripts else [],
    }


def variables_of(container: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in LISTS:
        stated = container.get(key)
        if isinstance(stated, Mapping):
            yield from ((str(name), value) for name, value in stated.items())
        for entry in stated if isinstance(stated, list) else []:
            if isinstance(entry, Mapping):
                name = entry.get("Name", entry.get("name"))
                if isinstance(name, str):
                    yield name, entry.get("Value", entry.get("value", LATER))
            elif isinstance(entry, str) and "=" in entry:
                name, _, value = entry.partition("=")
                yield name, value


def _words(container: Mapping[str, Any]) -> list[str]:
    stated = [container.get(name) for name in COMMANDS]
    return [written(word) for words in stated if isinstance(words, list) for word in words]


def commanded(container: Mapping[str, Any]) -> list[Assignment]:
    """Return the variables that a container's command sets or hands on."""
    return commanded_by(_words(container))
