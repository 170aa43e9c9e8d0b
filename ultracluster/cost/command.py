"""The command `ultracluster cost`.

ultracluster cost ENVIRONMENT [--format json] [--refresh] [--offers]

Exit status 0 where the ceiling holds, 1 where it does not or where something has no price, 2 where
the Price List gave no answer.
"""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console

from ultracluster.command_line import add_environment, add_format, print_json, progress
from ultracluster.environments import find_path, named, registered
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, UsageError
from ultracluster.safe_output import console as new_console

if TYPE_CHECKING:
    from ultracluster.cost.display import Estimate


PUBLIC: Final = "https://pricing.us-east-1.amazonaws.com"
"""Where AWS's offer files are, for everybody (AWS Billing user guide, read 2026-11-27)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_format(parser)
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="first read the prices it needs from AWS's Price List API, and update the table",
    )
    parser.add_argument(
        "--offers",
        metavar="URL",
        nargs="?",
        const=PUBLIC,
        help="with --refresh: read AWS's public offer files instead, without credentials",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    # Imported here: the command line imports this module.
    from ultracluster.cost.display import as_json, show  # noqa: PLC0415

    faults = new_console(stderr=True, soft_wrap=True, highlight=False)
    if arguments.offers and not arguments.refresh:
        raise UsageError("--offers says what --refresh reads; write both")
    found = _estimates(arguments.environment)
    status = ALL_WELL
    if arguments.refresh:
        notes = faults if arguments.json else console
        status = _refresh(found, notes, faults, arguments.offers)
        found = _estimates(arguments.environment)
    if arguments.json:
        print_json([as_json(estimate) for estimate in found])
    for estimate in found:
        if not arguments.json:
            show(estimate, console)
        for problem in estimate.problems:
            faults.print(f"ERROR {problem}", markup=False)
            status = status or SOME_FAIL
    return status


def _estimates(name: str) -> "tuple[Estimate, ...]":
    from ultracluster.cost.display import Estimate, estimates  # noqa: PLC0415

    path = find_path(name)
    if path is None:
        return (Estimate(named(name, {each.name: each for each in registered()}), ()),)
    return estimates(path)


def _refresh(
    found: "tuple[Estimate, ...]", notes: Console, faults: Console, offers: str | None
) -> int:
    from ultracluster.aws import Account, CloudError  # noqa: PLC0415
    from ultracluster.cost.offers import Offers  # noqa: PLC0415
    from ultracluster.cost.price_list import prices_of, region_to_ask  # noqa: PLC0415
    from ultracluster.cost.price_table import store  # noqa: PLC0415

    status, source = ALL_WELL, "offers" if offers else ""
    for region in dict.fromkeys(estimate.spec.region for estimate in found):
        items = {
            quantity.item
            for estimate in found
            if estimate.spec.region == region
            for quantity in estimate.quantities
        }
        try:
            cloud = Offers(items, offers) if offers else Account(region_to_ask(region))
            with progress(f"asking AWS for prices of {region}"):
                answers = tuple(prices_of(sorted(items), region, cloud))
        except CloudError as error:
            faults.print(f"ERROR {error}; the table is as it was", markup=False)
            return COULD_NOT_RUN
        change = store(region, answers, datetime.now(UTC).date(), source=source)
        for line in change.lines:
            notes.out(line, highlight=False)
        for fault in change.faults:
            faults.print(f"ERROR {fault}", markup=False)
            status = SOME_FAIL
    return status
