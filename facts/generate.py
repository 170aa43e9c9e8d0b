"""Derive the package's catalogue from the fact files beside this module.

python facts/generate.py            # rewrites ultracluster/catalogue/*.json
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

FACTS: Final = Path(__file__).parent
CATALOGUE: Final = FACTS.parent / "ultracluster" / "catalogue"


def read(name: str) -> Any:
    """Return one fact file."""
    return json.loads((FACTS / name).read_text("utf-8"))


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
    """Return the part of an instance type's facts that constructs and rules read.

    What the facts do not know is null: a type that is in no dump may be sold, and may have disks.
    """
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
        "local_nvme_gb": facts.get("local_nvme_total_gb"),
        "placement_strategies": facts.get("placement_strategies") or [],
        "usage_classes": facts["usage_classes"],
        "boot_modes": facts.get("boot_modes") or [],
        "lustre_over_efa": facts.get("fsx_lustre_efa_client"),
        "sagemaker_training_type": facts["sagemaker"]["training_type"],
        "availability_zone_ids": facts.get("az_ids"),
        "price_list_regions": facts.get("price_list_regions_cfnlint"),
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
        "zone_id_prefixes": read("region_az_offerings.json")["zone_id_prefixes"]["prefixes"],
        "efa_without_accelerator": names["efa_without_accelerator"],
        "no_efa": names["no_efa"],
        "others": names["others"],
    }


PRICE_SOURCES: Final = {
    "karpenter": {
        "text": "github aws/karpenter-provider-aws pkg/providers/pricing, commit 1d927085, made of "
        "the Price List API",
        "date": "2026-07-20",
        "confidence": "B",
    },
    "capacity-blocks": {
        "text": "copy of aws.amazon.com/ec2/capacityblocks/pricing; the next change is in 2026-10",
        "date": "2026-08-01",
        "confidence": "C",
    },
    "fsx": {
        "text": "third-party calculators of FSx for Lustre, us-east-1",
        "date": "undated; read 2026-11-23",
        "confidence": "C",
    },
    "sagemaker": {
        "text": "third-party workshop code, us-west-2; 1.15 times the price of EC2",
        "date": "undated; read 2026-11-23",
        "confidence": "C",
    },
}
"""What the price files themselves say of their sources, shortened to one line each."""

CAPACITY_BLOCK_REGION: Final = "us-east-1"
"""The copy of the page names no Region; it is taken as that of the page's first, us-east-1."""

Table = dict[str, dict[str, dict[str, Any]]]


def prices() -> dict[str, Any]:
    """Return what AWS charges in USD by Region and item, later and better sources last."""
    more, list_prices = read("prices_by_region.json"), read("price_list.json")
    table: Table = {}

    def note(region: str, item: str, usd: object, source: str, **dates: object) -> None:
        table.setdefault(region, {})[item] = {"usd": str(usd), "source": source, **dates}

    _other_prices(note)
    _ec2_prices(note, more["ec2_on_demand"])
    for kind in (more["items"], list_prices["prices"]):
        for region, items in kind.items():
            for item, entry in items.items():
                note(region, item, **{"source": "price-list", **entry})
    # No source has the price of OpenTelemetry metrics: that of logs stands in, and says so.
    for region, items in table.items():
        if logs := items.get("cloudwatch-logs/ingested"):
            note(region, "cloudwatch-metrics/otlp", logs["usd"], "assumed-otlp")
    sources = {**PRICE_SOURCES, **more["sources"]}
    sources["price-list"] = {"text": "AWS Price List API", "confidence": "A"}
    sources["offers"] = {"text": "AWS's public offer files", "confidence": "A"}
    return {
        "_sources": [f"{key}: {source['text']}" for key, source in sources.items()],
        "sources": sources,
        "prices": {region: dict(sorted(items.items())) for region, items in sorted(table.items())},
    }


def _ec2_prices(note: Callable[..., None], skypilot: Mapping[str, Any]) -> None:
    """Note the prices of EC2 on demand."""
    for name, regions in skypilot["usd_per_hour"].items():
        for region, usd in regions.items():
            note(region, f"ec2/{name}/on-demand", usd, skypilot["source"])
    for name, regions in read("ec2_on_demand_prices.json")["on_demand_usd_per_hour"].items():
        for region, usd in regions.items():
            # China's prices are in CNY, and a rate of exchange is no price.
            if not region.startswith("cn-"):
                note(region, f"ec2/{name}/on-demand", usd, "karpenter")


def _other_prices(note: Callable[..., None]) -> None:
    """Note the prices of the file that holds everything but EC2 on demand."""
    other = read("prices_other.json")
    lustre = other["fsx_lustre_usd_per_gb_month_us_east_1"]
    region = "us-east-1"
    note(region, "fsx-lustre/SCRATCH_2-SSD/storage", lustre["SCRATCH_2"], "fsx")
    for key in ("PERSISTENT_1_SSD", "PERSISTENT_2_SSD", "PERSISTENT_1_HDD"):
        deployment, _, storage = key.rpartition("_")
        for tier, usd in lustre[key].items():
            note(region, f"fsx-lustre/{deployment}-{storage}-{tier}/storage", usd, "fsx")
    note(region, "fsx-lustre/metadata-iops", lustre["metadata_iops_month"], "fsx")
    throughput = lustre["intelligent_tiering_per_mbps_month"]
    note(region, "fsx-lustre/INTELLIGENT_TIERING/throughput", throughput, "fsx")
    for name, usd in other["sagemaker_usd_per_hour"].items():
        if not name.startswith("_"):
            note("us-west-2", f"sagemaker/{name}/training", usd, "sagemaker")
    for name, usd in other["capacity_blocks_usd_per_hour"].items():
        if not name.startswith("_"):
            note(CAPACITY_BLOCK_REGION, f"ec2/{name}/capacity-block", usd, "capacity-blocks")


def outputs() -> dict[str, str]:
    """Return each generated file's name and text."""
    contents = {
        "instances.json": instances(),
        "lustre.json": read("fsx_lustre_rules.json"),
        "prices.json": prices(),
    }
    return {
        name: json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        for name, content in contents.items()
    }


if __name__ == "__main__":
    for file_name, text in outputs().items():
        (CATALOGUE / file_name).write_text(text)
