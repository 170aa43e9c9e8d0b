"""Carry tables over the wall between the constructs and the training image.

python -m facts.job_environment

The image holds `training` alone and the constructs do not import it, so each side has a copy of
what it needs of the other; a test says when a copy is old. The table of variables needs no copy: a
link brings it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from training.image.build import tag
from training.limits import Bounds, bounds
from training.recipes import RECIPES
from training.settings import LEAST_KEPT, Settings
from training.torchtitan import settings as titan
from training.torchtitan.recipes import RECIPES as TITAN_RECIPES

ROOT: Final = Path(__file__).parents[1]
CATALOGUE: Final = ROOT / "ultracluster" / "catalogue" / "instances.json"
INSTANCES: Final = ROOT / "training" / "launch" / "instances.json"
CONTAINERS: Final = ROOT / "facts" / "dlc_registries.json"
REGISTRIES: Final = ROOT / "training" / "image" / "registries.json"
LOCK: Final = ROOT / "training" / "image" / "image.lock.json"
NODE_IMAGE: Final = ROOT / "constructs_lib" / "image" / "image.lock.json"
OF_NODES: Final = ("pytorch", "nccl_tests")
"""Pins of the training image that the nodes' image is made with as well."""
SETTINGS: Final = ROOT / "ultracluster" / "catalogue" / "training_settings.json"
OF_SHAPE: Final = (
    *(("model", name) for name in ("layers", "width", "heads", "vocabulary", "sequence")),
    *(("data", name) for name in ("global_batch", "micro_batch")),
    *(("parallel", name) for name in ("partition_size", "tensor_parallel", "gpus_per_node")),
    ("parallel", "hierarchical_gather"),
)
TITAN_SETTINGS: Final = SETTINGS.with_name("torchtitan_settings.json")
KINDS: Final = {int: "whole number", float: "number", bool: "flag"}


def instances() -> dict[str, Any]:
    """Return what the start-up check needs to know of each instance type."""
    catalogue = json.loads(CATALOGUE.read_text())["instances"]
    return {
        name: {
            "gpus": facts["accelerator"]["count"]
            if facts["accelerator"]["manufacturer"] == "NVIDIA"
            else 0,
            "cards": len(facts["network_cards"]["efa_recommended"]),
            "gbps": facts["network_cards"]["gbps"],
        }
        for name, facts in sorted(catalogue.items())
    }


def registries() -> dict[str, Any]:
    """Return where the Deep Learning Containers are, by Region."""
    facts = json.loads(CONTAINERS.read_text())
    return {
        "source": facts["_source"],
        "domain": "amazonaws.com",
        # By the beginning of the Region's name, where the partition has another domain.
        "domains": {
            "cn-": "amazonaws.com.cn",
            "us-iso-": "c2s.ic.gov",
            "us-isob-": "sc2s.sgov.gov",
        },
        "accounts": facts["pytorch-training"]["registries_latest"],
    }


def shape(recipe: Settings) -> dict[str, str]:
    """Return what of a recipe decides whether it fits a job's GPUs, as its settings say it."""
    values = {f"{part}.{name}": getattr(getattr(recipe, part), name) for part, name in OF_SHAPE}
    return {name: str(value).lower() for name, value in values.items() if value}


def settings() -> dict[str, Any]:
    """Return what a check of requests needs to know of the training program's settings."""
    limits = limited(get_type_hints(Settings))
    return {
        "_sources": "training/settings.py and training/recipes.py",
        "image": tag("sagemaker"),
        "recipes": {name: shape(recipe) for name, recipe in RECIPES.items()},
        "settings": described(get_type_hints(Settings)),
        "least": {**least(limits), "checkpoint.keep": LEAST_KEPT},
        "most": {name: each.most for name, each in limits.items() if each.most is not None},
    }


def torchtitan() -> dict[str, Any]:
    """Return the same of torchtitan's."""
    kinds = get_type_hints(titan.Settings)
    known = described(kinds)
    return {
        "_sources": "training/torchtitan/settings.py and training/torchtitan/recipes.py",
        "image": tag("sagemaker", torchtitan=True),
        "recipes": list(TITAN_RECIPES),
        "settings": known,
        "least": least(limited(kinds)),
    }


def limited(parts: dict[str, Any]) -> dict[str, Bounds]:
    """Return the bounds of numbers by part.name."""
    return {f"{part}.{n}": each for part, kind in parts.items() for n, each in bounds(kind).items()}


def least(limits: Mapping[str, Bounds]) -> dict[str, float]:
    """Return the least that each may be."""
    return {name: each.least for name, each in limits.items()}


def described(parts: dict[str, Any]) -> dict[str, Any]:
    """Return what each setting of some parts holds, by part.name."""
    return {
        f"{part}.{name}": list(get_args(hint))
        if get_origin(hint) is Literal
        else KINDS.get(hint, "text")
        for part, kind in parts.items()
        for name, hint in get_type_hints(kind).items()
    }


def node_image() -> dict[str, Any]:
    """Return what an image of nodes is held against and made with; the sources stay in the lock."""
    lock = json.loads(LOCK.read_text())

    def bare(pins: dict[str, Any]) -> dict[str, Any]:
        return {name: {k: v for k, v in pin.items() if k != "source"} for name, pin in pins.items()}

    pins = {name: lock["pins"][name] for name in OF_NODES}
    return {"pins": bare(pins), "nodes": bare(lock["nodes"])}


def text(data: object) -> str:
    """Return a table as it is written."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    INSTANCES.write_text(text(instances()))
    REGISTRIES.write_text(text(registries()))
    SETTINGS.write_text(text(settings()))
    TITAN_SETTINGS.write_text(text(torchtitan()))
    NODE_IMAGE.write_text(text(node_image()))
