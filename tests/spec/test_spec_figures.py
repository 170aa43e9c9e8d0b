"""What follows from the values of a spec: every property, of specs that somebody wrote."""

import inspect
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest

from environments.ultracluster import ULTRACLUSTER
from tests.repository import RECIPES
from tests.stacks.synthesized import VARIANTS, existing
from ultracluster.catalogue.instances import find
from ultracluster.catalogue.prices import on_demand
from ultracluster.catalogue.sharding import Cluster
from ultracluster.spec.budget import PriceSpec
from ultracluster.spec.node_groups import image_parameter, images, plain_nodes

QUEUES = VARIANTS["slurm-queues"]
assert QUEUES.slurm is not None
assert ULTRACLUSTER.budget is not None
(H100,), (CPU,) = QUEUES.slurm.accelerated, QUEUES.slurm.cpu
RECIPE = {each.name: each for each in RECIPES}
PRICE = PriceSpec(item="ec2/c7gn.xlarge/on-demand", usd=1.0)
BY_LOGIN, BY_CPU = plain_nodes(QUEUES)

FIGURES: list[tuple[Any, dict[str, Any]]] = [
    (QUEUES, {"pays_for_capacity": True, "stack_names": tuple(
        f"slurm-queues-{name}" for name in ("Network", "Storage", "Training", "Cluster")
    )}),
    (QUEUES.network, {"lustre_subnet_addresses": 4091, "training_addresses": 4091}),
    (existing(), {"lustre_subnet_addresses": 4091, "training_addresses": 8182}),
    # 512 nodes and 4 spare ones, of which only those that train are counted in accelerators.
    (ULTRACLUSTER.nodes, {"accelerators": 4096, "addresses_per_node": 4, "total": 516,
                          "makes_reservation": True, "pays_for_all": True,
                          "instance": find("p4d.24xlarge")}),
    (H100, {"accelerators": 16, "addresses_per_node": 32, "total": 2, "makes_reservation": True,
            "pays_for_all": True, "instance": find("p5.48xlarge"),
            "group_name": "h100-p5-48xlarge"}),
    (CPU, {"group_name": "cpu-c6id-8xlarge", "has_disks": True, "total": 4}),
    # 1,200 GiB of 200 MB/s for each TiB.
    (QUEUES.storage, {"tebibytes": 1200 / 1024, "throughput_gbps": 0.2 * 1200 / 1024}),
    (ULTRACLUSTER.budget, {"ceiling_usd_per_month": 18_250_000}),
    (PRICE, {"price_item": on_demand("c7gn.xlarge")}),
    # A controller and a login node; two nodes with 32 addresses, four with one.
    (QUEUES.slurm, {"accelerated": (H100,), "cpu": (CPU,), "addresses": 2,
                    "addresses_of_groups": 68, "login_architecture": "x86_64",
                    "login_instances": 1, "queue": "train", "sound_login_type": "m6i.xlarge"}),
    (QUEUES.slurm.health_checks, {"act": True}),
    (BY_LOGIN, {"architecture": "x86_64"}),
    (RECIPE["gpt-1t"], {"accumulation_steps": 3, "cluster": Cluster(64, 8),
                        "instance": find("p5.48xlarge"), "ranks_of_a_sample": 8}),
    (RECIPE["gpt-1t"].model, {"parameters": 1_007_920_742_400}),
    (RECIPE["gpt-1t"].engine, {"stages": 1, "sequence_ranks": 1,
                               "entrypoint": ("python", "-m", "training.launch", "sagemaker")}),
    (RECIPE["llama3-1t"].engine, {"stages": 64, "sequence_ranks": 1,
                                  "entrypoint": ("python", "-m", "training.launch", "sagemaker")}),
    (RECIPE["llama3-8b"].model, {"parameters": 8_030_261_248, "heads": 32}),
]  # fmt: skip


def properties(kind: type) -> Iterator[str]:
    """Yield the names of a class's own public properties."""
    for name, member in inspect.getmembers(kind):
        if isinstance(member, property | cached_property) and not name.startswith(("_", "model_")):
            read = member.fget if isinstance(member, property) else member.func
            if getattr(read, "__module__", "").startswith("ultracluster"):
                yield name


@pytest.mark.parametrize(
    ("spec", "figures"), FIGURES, ids=lambda value: getattr(type(value), "__name__", "")
)
def test_figures_follow_from_the_values_of_a_spec(spec: Any, figures: dict[str, Any]):
    """Every property has its figure here, a new one too; but for the file of known models."""
    assert set(figures) == set(properties(type(spec))) - {"facts"}
    assert {name: getattr(spec, name) for name in figures} == figures


def test_what_an_environment_takes_is_counted_by_what_takes_it():
    """Addresses of each part, and Slurm's instances: 2 + 2 + 4 nodes and one to log in."""
    slurm = QUEUES.slurm
    assert slurm is not None

    assert QUEUES.address_demand() == {
        "nodes": 8,
        "SageMaker": 5,
        "file system": 3,
        "endpoints": 11,
        "Slurm": 2,
        "further node groups": 68,
    }
    assert VARIANTS["small"].address_demand().keys() == {
        *("nodes", "SageMaker", "file system", "endpoints")
    }
    assert QUEUES.fabrics() == {"nodes": QUEUES.nodes, "slurm.node_groups[0]": H100}
    assert (slurm.instances(2), slurm.cluster_size(2)) == (9, "SMALL")
    assert slurm.always_running(QUEUES.nodes) == 0
    assert ULTRACLUSTER.slurm is not None
    assert ULTRACLUSTER.slurm.always_running(ULTRACLUSTER.nodes) == 516
    assert QUEUES.network.training_blocks() == ("10.0.0.0/20",)
    assert existing().training_blocks() == ("10.0.0.0/20", "10.0.16.0/20")


def test_every_image_is_found_by_its_field():
    ami = "ami-0123456789abcdef0"
    pcs = "/aws/service/pcs/ami/dlami-base-ubuntu2404/x86_64/latest/ami-id"
    plain = VARIANTS["small"]

    assert images(QUEUES) == {"nodes.image": ami, "slurm.node_groups[0].image": ami}
    assert images(ULTRACLUSTER) == {"nodes.image": ami, "slurm.login_image": ami}
    assert [image_parameter(QUEUES, login=login) for login in (False, True)] == [pcs, pcs]
    assert image_parameter(plain) == (
        "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023"
        "/latest/ami-id"
    )
    assert image_parameter(plain, login=True) is None
    assert [vars(BY_LOGIN), vars(BY_CPU)] == [
        {
            "what": "login nodes",
            "count": 1,
            "instance_type": "m6i.xlarge",
            "type_field": "slurm.login_instance_type",
            "image": None,
            "image_field": "slurm.login_image",
        },
        {
            "what": "group cpu",
            "count": 4,
            "instance_type": "c6id.8xlarge",
            "type_field": "slurm.node_groups[1].instance_type",
            "image": None,
            "image_field": "slurm.node_groups[1].image",
        },
    ]
