"""The command `ultracluster check`."""

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ultracluster.command_line import add_environment, add_format, print_json
from ultracluster.environments import find_all, registered
from ultracluster.exit_status import ALL_WELL, UsageError, explained
from ultracluster.tables import Column, Rows

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser, nargs="*", help="names, or paths of files; without any, all of them")
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print what environments hold, or every problem of all of them."""
    found = _all(arguments.environment)
    if arguments.json:
        print_json([_described(spec) for spec in found])
        return ALL_WELL
    numbers = ("nodes", "accelerators", "Gbps a node", "Lustre TiB", "GB/s", "addresses")
    names = [Column("environment"), Column("zone")]
    rows = Rows([*names, *(Column(title, "number") for title in numbers)])
    for spec in found:
        held = _described(spec)
        tib = held["lustre_tib"]
        rows.add(
            spec.name,
            spec.availability_zone_id,
            f"{held['nodes']:,}" + (f" + {held['spare_nodes']}" if held["spare_nodes"] else ""),
            held["accelerators"],
            f"{held['gbps_per_node']:,.0f}",
            "elastic" if tib is None else f"{tib:,.1f}",
            f"{held['lustre_gbytes_per_second']:,.2f}",
            f"{held['addresses_used']:,} of {held['addresses']:,}",
        )
    console.print(rows)
    return ALL_WELL


def _all(names: list[str]) -> "tuple[EnvironmentSpec, ...]":
    """Return the named environments.

    Raises:
        UsageError: where there is none at all.
        ExceptionGroup: with the problems of all files, and not only of the first.
    """
    if not names:
        found = registered()
        if not found:
            none = "no folder environments with Python files is here"
            raise UsageError(f"{none}; name the file of an environment")
        return found
    specs: list[EnvironmentSpec] = []
    errors: list[Exception] = []
    for name in names:
        try:
            specs += find_all(name)[0]
        except Exception as error:
            if explained(error) is None:
                raise
            errors.append(error)
    if errors:
        raise ExceptionGroup("environments", errors)
    return tuple(specs)


def _described(spec: "EnvironmentSpec") -> dict[str, Any]:
    return {
        "name": spec.name,
        "region": spec.region,
        "availability_zone_id": spec.availability_zone_id,
        "nodes": spec.nodes.count,
        "spare_nodes": spec.nodes.spare_nodes,
        "instance_type": spec.nodes.instance_type,
        "accelerators": spec.nodes.instance.accelerator.total(spec.nodes.count),
        "gbps_per_node": spec.nodes.instance.network_cards.gbps,
        "lustre_tib": spec.storage.tebibytes,
        "lustre_gbytes_per_second": spec.storage.throughput_gbps,
        "addresses_used": sum(spec.address_demand().values()),
        "addresses": spec.network.training_addresses,
    }
