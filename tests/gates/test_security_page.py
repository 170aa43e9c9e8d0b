"""docs/security.md has a line for each statement with a wildcard or without a condition."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
HASH = re.compile(r"[0-9A-F]{8}$")


def statements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield from value.get("Statement", ()) if isinstance(value.get("Statement"), list) else ()
        for inner in value.values():
            yield from statements(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from statements(inner)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def wide() -> dict[str, set[str]]:
    """Return the actions of each statement that allows by a wildcard or without a condition."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in (ROOT / "golden").glob("*/*.template.json"):
        for logical_id, resource in json.loads(file.read_text())["Resources"].items():
            for each in statements(resource.get("Properties", {})):
                actions = listed(each.get("Action", "*"))
                wildcard = "*" in json.dumps([actions, each.get("Resource", "")])
                if each["Effect"] == "Allow" and (wildcard or "Condition" not in each):
                    holder = HASH.sub("", logical_id)
                    found[each.get("Sid") or holder].update(actions)
    return found


def test_each_wide_statement_has_its_line():
    """Why it is so wide, what limits it, and who could abuse it: nobody has to guess."""
    rows = {row[1]: row for row in ROW.finditer(PAGE.read_text())}
    assert set(rows) == set(wide())
    for name, actions in wide().items():
        assert set(re.findall(r"`([^`]+)`", rows[name][2])) == actions, name
        assert all(len(cell.strip()) > len("nobody") for cell in rows[name].groups()[2:]), name
