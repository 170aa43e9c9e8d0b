"""The parts of a statement in words."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.access.grants import listed
from ultracluster.review.access.naming import OF_SERVICES, UNTOLD, Names
from ultracluster.review.access.policies import Stated
from ultracluster.review.access.statement import Level

ANYBODY: Final = "anybody"
VERBS: Final[Mapping[Level, str]] = {
    Level.PERMISSIONS: "manage permissions",
    Level.WRITE: "write",
    Level.TAGGING: "tag",
    Level.READ: "read",
    Level.LIST: "list",
    Level.UNKNOWN: "do what IAM's reference does not have",
}
OPERATORS: Final[Mapping[str, str]] = {
    "stringequals": "is",
    "stringnotequals": "is not",
    "stringequalsignorecase": "is",
    "stringnotequalsignorecase": "is not",
    "stringlike": "is like",
    "stringnotlike": "is not like",
    "arnequals": "is",
    "arnlike": "is like",
    "arnnotequals": "is not",
    "arnnotlike": "is not like",
    "numericequals": "is",
    "numericnotequals": "is not",
    "numericlessthan": "is less than",
    "numericlessthanequals": "is at most",
    "numericgreaterthan": "is more than",
    "numericgreaterthanequals": "is at least",
    "datelessthan": "is before",
    "dategreaterthan": "is after",
    "ipaddress": "is in",
    "notipaddress": "is not in",
    "bool": "is",
    "binaryequals": "is",
}
KEYS: Final[Mapping[str, str]] = {
    "aws:sourceaccount": "the account that asks through the service",
    "aws:sourcearn": "the resource that asks through the service",
    "aws:securetransport": "the connection is encrypted",
    "aws:principalarn": "whoever asks",
    "aws:principalaccount": "the account of whoever asks",
    "aws:principalorgid": "the organization of whoever asks",
    "aws:sourceip": "the address that asks",
    "aws:sourcevpc": "the VPC that asks",
    "aws:sourcevpce": "the endpoint that is asked through",
    "aws:requestedregion": "the Region",
    "aws:calledvia": "the service that calls",
    "kms:calleraccount": "the account of whoever asks",
    "kms:viaservice": "the service that asks for it",
    "kms:encryptioncontext:aws:logs:arn": "the log group",
    "iam:passedtoservice": "the service that the role is passed to",
    "ec2:vpc": "the VPC",
    "cloudwatch:namespace": "the namespace",
    "sagemaker:vpcsubnets": "the job's subnets",
    "sagemaker:vpcsecuritygroupids": "the job's security groups",
    "s3:prefix": "the prefix",
}


def principals(stated: Stated, names: Names) -> Iterator[str]:
    """Yield who a trust or a policy of a resource speaks of."""
    yield from _principals(stated.body.get("Principal"), names)
    excluded = list(_principals(stated.body.get("NotPrincipal"), names))
    if excluded:
        yield f"{ANYBODY} but {' and '.join(excluded)}"


def _principals(stated: Any, names: Names) -> Iterator[str]:
    if isinstance(stated, Mapping):
        for kind, entries in stated.items():
            yield from (_principal(str(kind), value, names) for value in listed(entries))
    elif stated is not None:
        yield _principal("AWS", stated, names)


def _principal(kind: str, value: Any, names: Names) -> str:
    written = names.text(value)
    if written == "*":
        return ANYBODY
    if kind == "Service":
        return OF_SERVICES.get(written, written)
    if kind == "Federated":
        return f"whoever {written} vouches for"
    if kind == "CanonicalUser":
        return f"the S3 owner {written}"
    if written.endswith(":root") or written == "ACCOUNT":
        account = written.split(":")[4] if written.count(":") >= ACCOUNT_PART else written
        return (
            "whoever this account's IAM allows it"
            if account == "ACCOUNT"
            else f"whoever account {account} allows it"
        )
    return written


ACCOUNT_PART: Final = 5


def places(stated: Stated, names: Names, own: str) -> Iterator[str]:
    """Yield what a statement is about."""
    found = listed(stated.body.get("Resource"))
    for value in found:
        written = names.text(value)
        if written == "*":
            yield own if stated.kind == "resource" else "everything"
        else:
            yield written
    for value in listed(stated.body.get("NotResource")):
        yield f"everything but {names.text(value)}"
    if not found and "NotResource" not in stated.body:
        yield own


def conditions(stated: Stated, names: Names) -> Iterator[str]:
    """Yield each condition."""
    given = stated.body.get("Condition")
    if given is None:
        return
    if not isinstance(given, Mapping):
        yield f"a condition holds that is {UNTOLD}"
        return
    for operator, keys in given.items():
        if not isinstance(keys, Mapping):
            yield f"{operator} holds {UNTOLD}"
            continue
        for name, values in keys.items():
            yield condition(str(operator), str(name), values, names)


def condition(operator: str, name: str, values: Any, names: Names) -> str:
    """Return one condition in words."""
    lower = operator.lower()
    quantifier, _, plain = lower.rpartition(":")
    exists = plain.endswith("ifexists")
    plain = plain.removesuffix("ifexists")
    subject = KEYS.get(name.lower(), name)
    written = [names.text(value) for value in listed(values)]
    if plain == "null":
        return f"{subject} is {'not given' if written == ['true'] else 'given'}"
    if name.lower() == "aws:securetransport":
        return f"the connection is {'not ' if written == ['false'] else ''}encrypted"
    verb = OPERATORS.get(plain, operator)
    joint = " nor " if "not" in plain else " or "
    if quantifier == "forallvalues":
        subject = f"each of {subject}"
        exists = True
    elif quantifier == "foranyvalue":
        subject = f"one of {subject}"
    return f"{subject} {verb} {joint.join(written)}{', where it is given' if exists else ''}"


def actions(levels: tuple[tuple[Level, tuple[str, ...]], ...], body: Mapping[str, Any]) -> str:
    """Return the actions as a sentence has them, what can do most first."""
    # Who may never do everything might still do something.
    all_of_it = "anything" if body.get("Effect") == "Deny" else "everything"
    excluded = listed(body.get("NotAction"))
    if excluded:
        return f"do {all_of_it} but {', '.join(map(str, excluded))}"
    if not levels:
        return "do nothing"
    if any(name in ("*", "*:*") for _, names in levels for name in names):
        return f"do {all_of_it}"
    services = [name[:-2] for _, names in levels for name in names if name.endswith(":*")]
    parts = [f"do {all_of_it} in {', '.join(services)}"] if services else []
    for level, names in levels:
        rest = [name for name in names if not name.endswith(":*")]
        parts += [f"{VERBS[level]} ({', '.join(rest)})"] if rest else []
    return ", ".join(parts)


def sentence(
    who: tuple[str, ...],
    stated: Stated,
    what: str,
    on: tuple[str, ...],
    under: tuple[str, ...],
) -> str:
    """Return a statement as one sentence."""
    subject = " and ".join(who) or "nobody"
    verb = "may" if stated.allows else "may never"
    if not stated.allows and subject.startswith(ANYBODY):
        # "Anybody may never" is no English, and means nobody.
        subject, verb = f"nobody{subject.removeprefix(ANYBODY)}", "may"
    if stated.kind == "trust":
        words = f"{subject} {verb} take {on[0] if on else 'the role'}"
        if "sts:AssumeRole" not in what:
            words += f" ({what})"
    else:
        words = f"{subject} {verb} {what} on {', '.join(on)}"
    if not under:
        return words
    return f"{words}, {'only where' if stated.allows else 'where'} {' and '.join(under)}"
