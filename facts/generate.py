"""Derive the package's catalogue from the fact files beside this module.

python facts/generate.py            # rewrites constructs_lib/catalogue/*.json
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FACTS: Final = Path(__file__).parent
CATALOGUE: Final = FACTS.parent / "constructs_lib" / "catalogue"


def read(name: str) -> Any:
    """Return one fact file."""
    return json.loads((FACTS / name).read_text())


def total_gbps(performance: str | None, efa: Mapping[str, Any]) -> float:
    """Return the bandwidth of a whole instance in Gbps from `4x 100 Gigabit` or `3200 Gigabit`."""
    if performance is None:
        return float(efa["total_gbps"])
    number, _, rest = performance.partition("x ")
    if rest:
        return float(number) * float(rest.removesuffix(" Gigabit"))
    return float(performance.removesuffix(" Gigabit"))


def cards(efa: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each network card of an instance type takes."""
    return {
        "count": efa["network_cards"],
        "efa_capable": efa["efa_card_indexes"],
        "efa_recommended": efa.get("recommended_efa_only_cards", efa["efa_card_indexes"]),
        "interfaces_per_card": efa.get("max_enis_per_card"),
        "addresses_per_interface": efa.get("ipv4_per_eni"),
        "gbps": total_gbps(efa.get("network_performance"), efa),
        "nitro": efa.get("nitro"),
        "rdma_read": efa.get("rdma_read"),
        "rdma_write": efa.get("rdma_write"),
    }


def instance(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an instance type's facts that constructs and rules read."""
    accelerator = facts["accelerator"]
    return {
        "vcpus": facts["vcpus"],
        "cores": facts.get("cores"),
        "threads_per_core": facts.get("valid_threads_per_core") or [],
        "memory_mib": facts["memory_mib"],
        "architecture": facts["arch"][0],
        "accelerator": {
            "name": accelerator.get("name"),
            "manufacturer": accelerator.get("manufacturer"),
            "count": accelerator.get("count") or 0,
            "memory_mib": accelerator.get("memory_mib_each") or 0,
        },
        "network_cards": cards(facts["efa"]),
        "numa_nodes": facts.get("numa_nodes"),
        "local_nvme_gb": facts.get("local_nvme_total_gb") or 0,
        "placement_strategies": facts.get("placement_strategies") or [],
        "usage_classes": facts["usage_classes"],
        "boot_modes": facts.get("boot_modes") or [],
        "lustre_over_efa": bool(facts.get("fsx_lustre_efa_client")),
        "sagemaker_training_type": facts["sagemaker"]["training_type"],
        "availability_zone_ids": facts.get("az_ids") or {},
        "price_list_regions": facts.get("price_list_regions_cfnlint") or [],
    }


def instances() -> dict[str, Any]:
    """Return the instance catalogue with its sources."""
    source = read("instance_catalogue.json")
    names = read("instance_type_names.json")
    offerings = read("region_az_offerings.json")["regions"]
    zones: dict[str, set[str]] = {region: set() for region in offerings}
    for types in offerings.values():
        for offered in types.values():
            for zone in offered:
                region = next(r for r, t in offerings.items() if any(zone in z for z in t.values()))
                zones[region].add(zone)
    for facts in source["instances"].values():
        for region, offered in (facts.get("az_ids") or {}).items():
            zones.setdefault(region, set()).update(offered)
    return {
        "_sources": {
            key: text.partition(" (stored copy")[0] for key, text in source["_sources"].items()
        }
        | {"names": names["_source"]},
        "instances": {name: instance(facts) for name, facts in source["instances"].items()},
        "zones": {region: sorted(ids) for region, ids in sorted(zones.items())},
        "efa_without_accelerator": names["efa_without_accelerator"],
        "no_efa": names["no_efa"],
    }


def outputs() -> dict[str, str]:
    """Return each generated file's name and text."""
    rules = read("fsx_lustre_rules.json")
    return {
        name: json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        for name, content in {"instances.json": instances(), "lustre.json": rules}.items()
    }


if __name__ == "__main__":
    for file_name, text in outputs().items():
        (CATALOGUE / file_name).write_text(text)
