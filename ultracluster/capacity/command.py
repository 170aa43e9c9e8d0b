"""The command `ultracluster capacity`.

Buys nothing. Exit code 1 where nothing is offered that the run, as planned, would fit in.
"""

import argparse
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from ultracluster.aws import Account, caller_of
from ultracluster.capacity.offers import BLOCK, Market, Offer, Run, planned
from ultracluster.catalogue import offerings, prices
from ultracluster.command_line import (
    add_environment,
    add_format,
    add_recipe,
    print_json,
    progress,
    say,
)
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, SOME_FAIL, UsageError
from ultracluster.plan.arguments import question
from ultracluster.plan.command import add_run
from ultracluster.plan.recipe import question_of
from ultracluster.planner.price import ways_to_buy
from ultracluster.planner.question import PlanError, Question
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.tables import Column, Rows
from ultracluster.train.recipe_files import find_recipe

SHOWN: Final = 12
"""Offers of the table; JSON has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_recipe(parser, "--recipe", help="recipe of the run; or give a model and --tokens")
    parser.add_argument("--nodes", metavar="N", help="nodes for a model (the environment's)")
    parser.add_argument("--from", dest="first", metavar="DATE", help="earliest start, UTC (today)")
    add_run(parser, required=False)
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Ask what is offered, and say what of it the run fits in."""
    spec, _ = find(arguments.environment)
    try:
        asked = _question(arguments, spec)
        needed = planned(asked)
    except PlanError as error:
        raise UsageError(" ".join(str(error).split())) from error
    instances = needed.nodes + spec.nodes.spare_nodes
    size = offerings.size_for(instances)
    if size is None:
        raise UsageError(
            f"{instances:,} instances ({needed.nodes:,} and {spec.nodes.spare_nodes} spare): a "
            f"Capacity Block or training plan holds at most {offerings.SIZES[-1]}; reserve on "
            "demand (CapacityReservationSpec), or plan with fewer --nodes"
        )
    account, where = Account(spec.region, account=spec.account), spec.availability_zone_id
    first = _first(arguments.first)
    with progress("asking what is offered"):
        place = caller_of(account, spec.region).place
        market = Market(account, spec.region, asked.instance, where, needed, size, first)
        offers, said = market.offers()
    if arguments.json:
        about = {"environment": spec.name, "region": spec.region, "run": asdict(needed)}
        print_json({**about, "offers": [asdict(offer) for offer in offers], "notes": said})
    else:
        _show(spec, place, needed, offers, console)
        say(console, *said, *_ending(spec, offers))
    return ALL_WELL if offers and offers[0].fits != "no" else SOME_FAIL


def _question(arguments: argparse.Namespace, spec: EnvironmentSpec) -> Question:
    """Return the run that is asked about, on nodes of the environment."""
    nodes = spec.nodes
    if arguments.recipe is not None:
        recipe = find_recipe(arguments.recipe)
        if recipe.instance_type != nodes.instance_type:
            raise UsageError(
                f"--recipe {recipe.name}: it is for {recipe.instance_type}, and {spec.name} has "
                f"{nodes.instance_type}; name another environment or recipe"
            )
        asked = question_of(recipe, spec.region)
    elif arguments.tokens is None:
        raise UsageError(
            "no run was given, and without one nobody can say what fits; write --recipe NAME, or a "
            "model and its tokens, such as --parameters 13e9 --tokens 300e9"
        )
    else:
        given = vars(arguments)
        given |= {"instance": nodes.instance_type, "region": spec.region, "purchase": "on-demand"}
        given |= {"days": None, "budget": None, "nodes": arguments.nodes or str(nodes.count)}
        asked = question(argparse.Namespace(**given))
    sold = ways_to_buy(asked.instance)
    return replace(asked, purchase=sold[0]) if sold else asked


def _first(text: str | None) -> datetime:
    """Return the earliest begin that is asked for."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"--from {text}: write a day, such as 2026-12-01") from None


def _show(
    spec: EnvironmentSpec, place: str, needed: Run, offers: list[Offer], console: Console
) -> None:
    low, high = needed.likely
    say(
        console,
        f"{needed.nodes:,} x {spec.nodes.instance_type} need {needed.hours:,.0f} h, likely "
        f"{low:,.0f} to {high:,.0f}, for {needed.exaflop:,.0f} exaFLOP of useful work; {place}.",
    )
    numbers = ("instances", "hours", "margin h", "of the run", "price", "an exaFLOP")
    titles = ("fits", "what", "zone", "begins", "ends")
    table = Rows([*map(Column, titles), *(Column(title, "number") for title in numbers)])
    for offer in offers[:SHOWN]:
        worse, better = offer.margins
        table.add(
            offer.fits,
            offer.kind,
            offer.zone + " (another)" * (not offer.in_zone),
            f"{offer.start:%Y-%m-%d %H:%M}",
            f"{offer.end:%Y-%m-%d %H:%M}",
            f"{offer.instances:,}",
            f"{offer.hours:,.1f}",
            f"{offer.margin:+,.0f} ({worse:+,.0f} to {better:+,.0f})",
            f"{offer.covers:.0%}",
            f"{offer.fee:,.0f} {offer.currency}",
            f"{offer.per_exaflop:,.4g}",
        )
    if offers:
        console.print(table)


def _ending(spec: EnvironmentSpec, offers: list[Offer]) -> list[str]:
    """Return the command that would buy the first offer, and what becomes of the environment."""
    if not offers:
        return ["Nothing is offered that this run could use."]
    best = offers[0]
    if best.fits == "no":
        most = max(offers, key=lambda offer: offer.covers)
        words = f"the longest, {most.id}, ends after {most.covers:.0%} of it"
        return [f"The run fits in none: {words}."]
    lines = ["", "Nothing was bought. This would buy the first:", "", f"    {best.command}", ""]
    if best.kind != BLOCK:
        return [*lines, "Then name its ARN in the job's request: ResourceConfig.TrainingPlanArn."]
    item = prices.capacity_block(spec.nodes.instance_type).name
    price = best.fee / best.instances / ((best.end - best.start).total_seconds() / 3600)
    zone = [f"    availability_zone_id={best.zone!r},  # and subnets there"]
    return [
        *lines,
        "Then write the id of its answer, cr-..., into the environment:",
        "",
        *([] if best.in_zone else zone),
        f"    count={best.instances - spec.nodes.spare_nodes},",
        "    placement_group=False,",
        '    capacity_block=CapacityBlockSpec(capacity_reservation_id="cr-..."),',
        f'    # in BudgetSpec: PriceSpec(item="{item}", usd={price:.4f})',
    ]
