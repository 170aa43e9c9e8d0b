"""Settings of the two programs that take a recipe, as a request may hold them.

The programs are no part of what is installed to submit a job, so `training_settings.json` and
`torchtitan_settings.json` hold what must be known of them, written by `facts/job_environment.py`; a
test holds both equal.
"""

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.values import number, table, text
from ultracluster.problem import MISSING, Problem, choices

OWN: Final = "training"
"""This repository's own program, the reference for MiCS."""
TITAN: Final = "torchtitan"
OF_GROUPS: Final = ("parallel.partition_size", "parallel.tensor_parallel")
"""Sizes of groups, which are judged with the GPUs of the job, which say what fits."""


def known_settings(program: str = OWN) -> Mapping[str, str | list[str]]:
    """Return what each setting holds by part.name: a kind of value, or the choices there are."""
    found: Mapping[str, str | list[str]] = table(f"{program}_settings")["settings"]
    return found


def recipe_values(name: object) -> Mapping[str, str]:
    """Return the values of a recipe of the program's own that decide whether it fits a job's GPUs.

    Nothing is known of a recipe in a file of the image.
    """
    known: Mapping[str, Mapping[str, str]] = table("training_settings")["recipes"]
    return known.get(name, {}) if isinstance(name, str) else {}


def pushed_tag(program: str = OWN) -> str:
    """Return the tag that `python -m training.image.build sagemaker` pushes from this checkout.

    Of torchtitan it is that of `--torchtitan`.
    """
    return str(table(f"{program}_settings")["image"])


def recipe_problems(where: str, name: object, program: str = OWN) -> Iterator[Problem]:
    """Yield why the program would find no recipe of that name.

    Any name that is none of its own is the path of a file in the image.
    """
    recipes = list(table(f"{program}_settings")["recipes"])
    if not name or not isinstance(name, str):
        fix = f"the training program needs one of its recipes; write {choices(recipes)}"
        yield Problem(where, MISSING if name is None else name, fix)
    elif name not in recipes and not name.endswith(".py"):
        near = difflib.get_close_matches(name, recipes, n=2) or recipes
        fix = "the training program has no such recipe, and it is not the path of a Python file"
        yield Problem(where, name, f"{fix}; write {choices(near)}")


def setting_problems(
    where: str, settings: Mapping[str, Any], program: str = OWN
) -> Iterator[Problem]:
    """Yield settings that the program does not have, or whose values it cannot read."""
    known = sorted(known_settings(program))
    for name, value in settings.items():
        if name not in known:
            last = name.rpartition(".")[2]
            near = [each for each in known if each.endswith(f".{last}")]
            near = near or difflib.get_close_matches(name, known, n=2)
            hint = f"write {' or '.join(near)}" if near else "write it as part.name"
            fix = f"the training program has no such setting; {hint}"
            yield Problem(f"{where}.{name}", value, fix)
        elif instead := _wrong(program, name, value):
            yield Problem(f"{where}.{name}", value, instead)
    if program == OWN:
        yield from _together(where, settings)


def _wrong(program: str, name: str, value: object) -> str | None:
    """Return what to write instead of a value that the program cannot read."""
    kind = known_settings(program)[name]
    if kind == "whole number":
        return _wrong_whole_number(program, name, value)
    if kind == "number":
        return _wrong_number(name, value)
    if kind == "flag" and str(value).lower() not in ("true", "false"):
        return "write true or false"
    if isinstance(kind, list) and value not in kind:
        return f"no such value; write {choices(kind)}"
    return None


def _wrong_whole_number(program: str, name: str, value: object) -> str | None:
    least, whole = table(f"{program}_settings")["least"][name], number(value)
    if whole is None and re.fullmatch(r"\s*-\d+\s*", str(value)):
        whole = -1
    if whole is None:
        long = isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal())
        return f"write a whole number{' of 32 bits' if long else ''}"
    return f"write {least} or more" if whole < least and name not in OF_GROUPS else None


def _wrong_number(name: str, value: object) -> str | None:
    limits, found = table("training_settings"), _real(value)
    least, most = limits["least"].get(name, 0), limits.get("most", {}).get(name)
    if found is None:
        return f"write a number, {least} or more"
    if most is not None and not least <= found <= most:
        return f"write {least} to {most}"
    return f"write a number, {least} or more" if found < least else None


def _real(value: object) -> float | None:
    """Return a finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def warmup_problems(where: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield why a learning rate never reaches its value, where both numbers of steps are given."""
    steps, rises = (number(settings.get(n)) for n in ("run.steps", "optimizer.warmup_steps"))
    if steps and rises and rises > steps:
        fix = f"the run ends at step {steps:,}, before the learning rate is reached; write less"
        yield Problem(f"{where}.optimizer.warmup_steps", rises, fix)


def _together(where: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield values that do not fit each other, where both are given."""
    yield from warmup_problems(where, settings)
    names = ("model.width", "model.heads", "model.sequence", "parallel.tensor_parallel")
    width, heads, sequence, ways = (number(settings.get(name)) for name in names)
    if width and heads and width % heads:
        fix = f"it does not divide model.width, {width}; write one that does"
        yield Problem(f"{where}.model.heads", heads, fix)
    rotary = text(settings.get("model.positions")) == "rotary"
    if rotary and width and heads and width % heads == 0 and (width // heads) % 2:
        fix = f"it rotates pairs, and a head has {width // heads} values; write learned"
        yield Problem(f"{where}.model.positions", "rotary", fix)
    for name, value in (("heads", heads), ("sequence", sequence)):
        if ways and value and value % ways:
            fix = f"it does not divide model.{name}, {value}; write one that does"
            yield Problem(f"{where}.parallel.tensor_parallel", ways, fix)
