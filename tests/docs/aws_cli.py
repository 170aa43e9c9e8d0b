"""The AWS CLI's command line, read by botocore's models: the CLI itself is not among our packages.

A service, an operation, an option or a value that the models do not have is refused, and so is a
request that lacks what they demand. Of the CLI's own commands there are those that pages type.
"""

import json
import re
import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import boto3
import jmespath  # type: ignore[import-untyped] # it has no types
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session, get_session
from botocore.validate import ParamValidator

GLOBAL: Final[tuple[str, ...]] = ("region", "query", "output", "profile")
FLAG: Final = "boolean"


class UsageError(ValueError):
    """A command line that the AWS CLI would refuse."""


def option(name: str) -> str:
    """Return what the CLI calls a member or an operation."""
    return xform_name(name, "-")


def main(words: Sequence[str]) -> int:
    """Run one command, and return its exit status; 252 is a command line that cannot be."""
    try:
        sys.stdout.write(answer(list(words)))
    except (UsageError, BotoCoreError) as error:
        sys.stderr.write(f"aws: error: {error}\n")
        return 252
    except ClientError as error:
        sys.stderr.write(f"{error}\n")
        return 254
    return 0


def answer(words: list[str]) -> str:
    """Return what a command prints."""
    own = OWN.get((words[0], words[1])) if len(words) > 1 else None
    if own is not None:
        return own(words[2:])
    operation, parameters, settings = read(words)
    client = boto3.client(words[0], region_name=settings.get("region"))
    found = getattr(client, xform_name(operation))(**parameters)
    found.pop("ResponseMetadata", None)
    query = settings.get("query")
    shown = jmespath.search(query, found) if query else found
    if settings.get("output") == "text":
        return text(shown)
    return json.dumps(shown, indent=4, default=str) + "\n" if shown else ""


@cache
def models() -> Session:
    """Return what reads the models, each of them once: there are four hundred services."""
    return get_session()


def read(words: list[str]) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return the operation, its parameters, and the CLI's own settings, and send nothing.

    Raises:
        UsageError: where the CLI would refuse it.
    """
    service, name, *rest = [*words, "", ""][: max(len(words), 2)]
    service = "s3" if service == "s3api" else service  # the CLI's own name for the API
    session = models()
    if service not in session.get_available_services():
        raise UsageError(f"no service {service!r}")
    model = session.get_service_model(service)
    operation = {option(each): each for each in model.operation_names}.get(name)
    if operation is None:
        raise UsageError(f"{service} has no operation {name!r}")
    given, settings = split(rest)
    shape = model.operation_model(operation).input_shape
    parameters = request(given, dict(shape.members) if shape else {})
    report = ParamValidator().validate(parameters, shape) if shape else None
    if report is not None and report.has_errors():
        raise UsageError(f"{service} {name}: {report.generate_report()}")
    return operation, parameters, settings


def split(words: list[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the options of an operation with their words, and the CLI's own settings."""
    given: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            given[name] = [value] if equals else []
        elif given:
            given[list(given)[-1]].append(word)
        else:
            raise UsageError(f"unknown word {word!r}")
    settings: dict[str, str] = {name: " ".join(given.pop(name)) for name in GLOBAL if name in given}
    return given, settings


def request(given: dict[str, list[str]], members: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that options stand for."""
    known = {option(name): name for name in members}
    found: dict[str, Any] = {}
    for name, words in given.items():
        positive = name.removeprefix("no-")
        if name not in known and positive not in known:
            raise UsageError(f"no option --{name}; there are {', '.join(sorted(known))}")
        member = known.get(name) or known[positive]
        if members[member].type_name == FLAG and not words:
            found[member] = name in known
        elif not words:
            raise UsageError(f"--{name} needs a value")
        else:
            found[member] = value(words, members[member])
    return found


def value(words: list[str], shape: Any) -> Any:
    """Return words as a value of a shape: a text, a number, JSON, or the CLI's shorthand."""
    if words[0][:1] in ("[", "{"):
        return json.loads(" ".join(words))
    if shape.type_name == "list":
        return [value([word], shape.member) for word in words]
    if len(words) > 1:
        raise UsageError(f"one value, not {words}")
    (word,) = words
    if shape.type_name == "structure":
        return shorthand(word, shape.members)
    if shape.type_name in ("integer", "long"):
        return int(word)
    if shape.type_name == FLAG:
        return word == "true"
    return word


def shorthand(word: str, members: dict[str, Any]) -> dict[str, Any]:
    """Return `Name=a,Values=b,c` as a structure."""
    found: dict[str, Any] = {}
    for part in re.split(r",(?=[A-Za-z]+=)", word):
        name, equals, content = part.partition("=")
        if name not in members or not equals:
            raise UsageError(f"{part!r}: write one of {', '.join(members)} and =")
        several = members[name].type_name == "list"
        found[name] = value(content.split(",") if several else [content], members[name])
    return found


def text(shown: Any) -> str:
    """Return a value as `--output text` prints it."""
    if isinstance(shown, list):
        return "\t".join(text(each).rstrip("\n") for each in shown) + "\n"
    return f"{shown}\n"


def one(words: list[str], *names: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return options by their names, and the words before them."""
    first = next((n for n, word in enumerate(words) if word.startswith("--")), len(words))
    given, _ = split(words[first:])
    if unknown := set(given) - set(names):
        raise UsageError(f"no option --{min(unknown)}; there are {', '.join(names)}")
    return given, words[:first]


def tail(words: list[str]) -> str:
    """Print the newest lines of a log group."""
    given, (group,) = one(words, "since", "filter-pattern")
    since = given.get("since", ["10m"])[0]
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    if not re.fullmatch(r"\d+[smhdw]", since):
        raise UsageError(f"--since {since}: write a number and s, m, h, d or w")
    seconds = int(since[:-1]) * units[since[-1]]
    pattern = {"filterPattern": given["filter-pattern"][0]} if "filter-pattern" in given else {}
    events = boto3.client("logs").filter_log_events(
        logGroupName=group, startTime=int((time.time() - seconds) * 1000), **pattern
    )["events"]
    return "".join(f"{event['message']}\n" for event in events)


def remove_bucket(words: list[str]) -> str:
    """Delete a bucket, with `--force` its objects before; versions of them stay."""
    moved = sorted(words, key=lambda word: word.startswith("--"))
    given, (address,) = one(moved, "force")
    name, client = address.removeprefix("s3://"), boto3.client("s3")
    for row in client.list_objects_v2(Bucket=name).get("Contents", ()) if "force" in given else ():
        client.delete_object(Bucket=name, Key=row["Key"])
    client.delete_bucket(Bucket=name)
    return f"remove_bucket: {name}\n"


def session(words: list[str]) -> str:
    """Find the instance of a session: the plug-in that opens one is not here."""
    given, () = one(words, "target", "document-name", "parameters")
    found = boto3.client("ec2").describe_instances(InstanceIds=given["target"])
    (row,) = found["Reservations"][0]["Instances"]
    if row["State"]["Name"] != "running":
        raise UsageError(f"{row['InstanceId']} is {row['State']['Name']}")
    return f"Starting session on {row['InstanceId']}\n"


OWN: Final = {
    ("logs", "tail"): tail,
    ("s3", "rb"): remove_bucket,
    ("ssm", "start-session"): session,
}
"""Commands of the CLI that are no operation of a service."""
