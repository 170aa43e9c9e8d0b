"""Updates the price table of a checkout with prices from the Price List."""

import json
import runpy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from ultracluster.catalogue import prices
from ultracluster.cost.price_list import Answer

ROOT: Final = Path(__file__).parents[2]
TABLE: Final = Path("facts") / "price_list.json"
GENERATOR: Final = Path("facts") / "generate.py"
CATALOGUE: Final = Path("ultracluster") / "catalogue"


@dataclass(frozen=True)
class Change:
    """What a refresh found, in words."""

    lines: tuple[str, ...]
    faults: tuple[str, ...]


def store(
    region: str,
    answers: Sequence[Answer],
    today: date,
    root: Path = ROOT,
    *,
    source: str = "",
) -> Change:
    """Write what the list said of a Region's items, and say what that changes.

    A price that the list no longer has is kept and marked. Outside a checkout nothing is written.
    The source is a name of `facts/generate.py`; without one it is the Price List API.
    """
    lines = [_line(answer, region) for answer in answers]
    faults = [
        f"{answer.item.name}: {answer.reason}; the price of the table stands"
        for answer in answers
        if answer.kind == "unreadable"
    ]
    path = root / TABLE
    if path.is_file() and (root / GENERATOR).is_file():
        text = path.read_text("utf-8")
        document = json.loads(text)
        known = document["prices"].get(region, {})
        _merge(known, answers, today, source)
        if known:
            document["prices"][region] = known
        written = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        if written == text:
            lines.append(f"{TABLE} is as it was")
        else:
            path.write_text(written, "utf-8")
            lines.append(f"{TABLE} is written; make golden rewrites the sheets")
        _derive(root)
    else:
        lines.append(
            f"not written: this is no checkout of the repository, where {TABLE} would hold it"
        )
    return Change(tuple(line for line in lines if line), tuple(faults))


def _merge(table: dict[str, Any], answers: Sequence[Answer], today: date, source: str) -> None:
    for answer in answers:
        name = answer.item.name
        if answer.kind == "listed":
            table[name] = {"usd": f"{answer.usd:f}", "date": answer.date or today.isoformat()}
            table[name] |= {"source": source} if source else {}
        elif answer.kind == "gone" and name in table:
            table[name].setdefault("gone_since", today.isoformat())
    for name in sorted(table):
        table[name] = table.pop(name)


def _derive(root: Path) -> None:
    """Write the catalogue anew from the facts, and let this process read it."""
    derived = runpy.run_path(str(root / GENERATOR))["outputs"]()
    (root / CATALOGUE / "prices.json").write_text(derived["prices.json"], "utf-8")
    prices.forget()


def _line(answer: Answer, region: str) -> str:
    item = answer.item
    known = prices.price(item, region)
    before = f"{known.usd:f} USD" if known is not None else "no price"
    match answer.kind:
        case "listed" if known is not None and known.usd == answer.usd:
            return f"{item.name}: {before}, as before"
        case "listed":
            return f"{item.name}: {answer.usd:f} USD a {item.unit}, before {before}"
        case "gone":
            kept = "" if known is None else f"; {before} of {known.date or 'before'} is kept"
            return f"{item.name}: not on the Price List of {region}{kept}"
        case "not asked":
            return f"{item.name}: no product of the Price List is known; {before} as before"
    return ""
