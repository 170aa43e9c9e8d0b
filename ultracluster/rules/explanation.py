"""What a rule says of itself, as `audit --explain` and docs/rules.md show it."""

from ultracluster.rules.acknowledgements import FIXES, OBJECTIONS
from ultracluster.rules.engine import RULES
from ultracluster.rules.rule import Rule
from ultracluster.suggestions import did_you_mean


def explained(rule: Rule) -> str:
    """Return the section of a rule, in Markdown, without its heading."""
    may = "can" if rule.acknowledgeable else "cannot"
    return (
        f"**{rule.what}** ({rule.severity}, {may} be acknowledged)\n\n{rule.why}\n\n"
        f"* Fix: {rule.fix}\n* Confirm it: `{rule.check}`\n* Source: {rule.source}"
    )


def explanation(name: str) -> str:
    """Return what is to be read about a rule, by its id in any case.

    Raises:
        LookupError: where there is no such rule; it names the nearest.
    """
    wanted = name.strip().upper()
    if wanted in RULES:
        return f"### {wanted}\n\n{explained(RULES[wanted])}"
    if wanted in OBJECTIONS:
        return f"### {wanted}\n\n**{OBJECTIONS[wanted]}** (error)\n\n* Fix: {FIXES[wanted]}"
    near = did_you_mean(wanted, [*RULES, *OBJECTIONS])
    raise LookupError(f"there is no rule {name}{near}; docs/rules.md lists all of them")
