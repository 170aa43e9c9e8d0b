"""The report of an acceptance as HTML and JSON, with the facts that only an account can tell."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from ultracluster.accept.session import FAIL, PASS, Result, Session
from ultracluster.style_sheet import html_page


@dataclass(frozen=True)
class Fact:
    """Something that only an account can tell."""

    id: str
    what: str
    does: str
    """What this project takes it for."""
    where: list[str]
    """Files that rely on it."""
    settled_by: str
    """A stage of `ultracluster accept`, or "none: " and what else would tell."""


@cache
def facts() -> tuple[Fact, ...]:
    table = tomllib.loads(Path(__file__).with_name("unverified.toml").read_text("utf-8"))
    return tuple(Fact(name, **row) for name, row in table.items())


CONFIRMED: Final = {PASS: "confirmed", FAIL: "refuted"}
OPEN: Final = "open"


def document(session: Session) -> dict[str, Any]:
    scene = session.scene
    return {
        "environment": scene.spec.name,
        **scene.caller.document(),
        "emulated": bool(scene.caller.endpoint),
        "run": scene.run,
        "begun": session.begun.isoformat(timespec="seconds"),
        "exit_status": session.status,
        "steps": [
            {
                "stage": each.stage,
                "step": each.step,
                "verdict": each.verdict,
                "expected": each.wanted,
                "measured": each.measured,
                "seconds": round(each.seconds, 1),
                "commands": list(each.commands),
            }
            for each in session.results
        ],
        "notes": session.notes,
        "left": session.left,
        "facts": list(_facts(session.results)),
    }


def _facts(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """Yield each fact with what the account said of it, and the command that showed it.

    One failing step refutes what others confirm.
    """
    for fact in facts():
        told = [each for each in results if fact.id in each.settles and each.verdict in CONFIRMED]
        decides = min(told, key=lambda each: each.verdict == PASS, default=None)
        yield {
            "id": fact.id,
            "what": fact.what,
            "assumed": fact.does,
            "verdict": CONFIRMED[decides.verdict] if decides else OPEN,
            "measured": decides.measured if decides else "",
            "commands": list(decides.commands) if decides else [],
            "settled_by": fact.settled_by,
        }


def page(session: Session) -> str:
    """Return the report as one HTML file that needs nothing else."""
    found = document(session)
    scene = session.scene
    title = f"Acceptance of {scene.spec.name}"
    told = [row for row in found["facts"] if row["verdict"] != OPEN]
    steps = ("stage", "step", "verdict", "expected", "measured")
    rows = ("verdict", "what", "assumed", "measured")
    emulated = "<p><strong>Emulated: no AWS account was asked.</strong></p>"
    return html_page(
        title,
        f"{emulated if found['emulated'] else ''}"
        f"<p>{escape(scene.caller.place)}, as {escape(scene.caller.arn)}, {found['begun']}, "
        f"exit status {found['exit_status']}</p>"
        + "".join(f"<p>{escape(note)}</p>" for note in session.notes)
        + "".join(f"<p>still there: {escape(str(entry))}</p>" for entry in session.left)
        + f"<h2>Steps</h2>{table(steps, found['steps'])}"
        + f"<h2>Facts that were open</h2>{table(rows, told)}"
        + f"<p>{len(found['facts']) - len(told)} facts are still open.</p>",
    )


def table(names: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as a table; the commands of each stand below it, where they have room."""
    head, body = "".join(f"<th scope=col>{name}</th>" for name in names), ""
    for row in rows:
        cells = (
            f"<td><span class=narrow>{name}: </span>{escape(str(row[name]))}</td>" for name in names
        )
        commands = "<br>".join(f"<code>{escape(each)}</code>" for each in row["commands"])
        body += f"<tr>{''.join(cells)}</tr><tr><td colspan={len(names)}>{commands}</td></tr>"
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
