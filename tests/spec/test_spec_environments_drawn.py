"""Whatever can work is accepted, and addresses are counted to the last one."""

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.drawn import some
from tests.spec.samples import P4D, changed, found
from tests.spec.strategies import (
    addresses_needed,
    card_count,
    environments,
    lustre,
    slurm_addresses,
    smallest_prefix,
)
from ultracluster.problem import Problem, collecting
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.lustre import LustreSpec
from ultracluster.spec.network import NetworkSpec

FIRST_BLOCK = "network.training_subnet_cidrs"
unhurried = some(60)


@unhurried
@given(st.data())
def test_an_environment_that_can_work_has_no_problem(data: st.DataObject):
    """A rule that refuses too much would keep somebody from a cluster that AWS would run."""
    with collecting() as collection:
        data.draw(environments())

    assert [str(problem) for _, problem in collection.found] == []


@unhurried
@given(environments())
def test_an_accepted_environment_has_enough_addresses(environment: EnvironmentSpec):
    """Nodes that find no address fail one by one, after the others have been paid for."""
    demand = environment.address_demand()

    assert sum(demand.values()) == addresses_needed(
        environment.nodes,
        environment.storage,
        environment.sagemaker.instances,
        len(environment.network.interface_endpoints),
        card_count(environment.nodes.instance_type),
    ) + slurm_addresses(environment.slurm)
    assert sum(demand.values()) <= environment.network.training_addresses


@unhurried
@given(environments())
def test_a_subnet_below_the_demand_is_refused(environment: EnvironmentSpec):
    """The subnet is create-only: a cluster that outgrows it has to be built anew."""
    demand = sum(environment.address_demand().values())
    prefix = smallest_prefix(demand)
    single = NetworkSpec(
        training_subnet_cidrs=(f"10.0.0.0/{prefix}",),
        interface_endpoints=environment.network.interface_endpoints,
    )
    assume(prefix < 28)  # AWS has no smaller subnet
    assert found(lambda: changed(environment, {"network": single})) == []

    smaller = {"network": single, "name": "small"}
    problems = found(
        lambda: changed(changed(environment, smaller), {FIRST_BLOCK: (f"10.0.0.0/{prefix + 1}",)})
    )
    assert FIRST_BLOCK in [problem.field for problem in problems]
    (fix,) = (problem.fix for problem in problems if problem.field == FIRST_BLOCK)
    assert f"need {demand:,}; write one /{prefix}" in fix


@pytest.mark.parametrize(
    ("layout", "addresses", "prefix"), [("one-address", 500, 22), ("address-per-card", 2000, 21)]
)
def test_500_p4d_take_an_address_each_or_one_for_each_card(layout, addresses, prefix):
    """awsome-distributed-ai#1122: a /21 sized by nodes was too small by the classic layout."""
    environment = changed(
        P4D,
        {
            "network.training_subnet_cidrs": ("10.0.0.0/17",),
            "nodes.count": 500,
            "nodes.interface_layout": layout,
            "sagemaker.instances": 0,
        },
    )

    assert environment.address_demand()["nodes"] == addresses
    held = found(lambda: changed(environment, {FIRST_BLOCK: (f"10.0.0.0/{prefix}",)}))
    assert held == []
    (problem,) = found(lambda: changed(environment, {FIRST_BLOCK: (f"10.0.0.0/{prefix + 1}",)}))
    assert f"{addresses:,} nodes" in problem.fix


def test_the_last_free_address_may_be_used():
    """251 of a /24: AWS keeps five; one job fewer or more must decide."""
    full = changed(P4D, {"sagemaker.instances": 46, "nodes.count": 6})
    assert sum(full.address_demand().values()) == full.network.training_addresses == 251

    assert found(lambda: changed(full, {"nodes.count": 7})) != []


def test_several_subnets_count_together():
    """EFA reaches across the subnets of a zone, so that room may be added beside what is full."""
    demand = {"nodes.count": 300}
    assert found(lambda: changed(P4D, demand)) != []

    two = changed(P4D, {"network.training_subnet_cidrs": ("10.0.0.0/24", "10.0.1.0/25"), **demand})
    assert two.network.training_addresses == 251 + 123


@unhurried
@given(lustre())
def test_a_file_system_asks_cloudformation_for_what_was_written(storage: LustreSpec):
    """A value that is accepted and then dropped would be found out on the bill."""
    properties = storage.properties()
    configuration = properties["LustreConfiguration"]

    assert properties.get("StorageCapacity") == storage.capacity_gib
    assert configuration.get("PerUnitStorageThroughput") == storage.per_unit_storage_throughput
    assert configuration.get("ThroughputCapacity") == storage.throughput_capacity_mbps
    assert configuration.get("EfaEnabled", False) is storage.efa_enabled
    assert None not in [*properties.values(), *configuration.values()]
    asked = configuration.get("MetadataConfiguration", {})
    assert asked.get("Iops", asked.get("Mode")) == storage.metadata_iops


def vpc_problems(block: str) -> list[Problem]:
    """Return what is wrong with a VPC of the block that has one subnet."""
    return found(
        lambda: changed(
            P4D,
            {
                "network": NetworkSpec(
                    cidr=block, training_subnet_cidrs=("0.0.0.0/28",), public_subnet_cidr=None
                )
            },
        )
    )


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_a_vpc_block_is_accepted_or_the_one_that_is_suggested(address: int, prefix: int):
    """Whatever block is typed, one step leads to a block that AWS takes."""
    typed = f"{ipaddress.IPv4Address(address)}/{prefix}"
    told = [problem for problem in vpc_problems(typed) if problem.field == "network.cidr"]

    is_network = typed == str(ipaddress.IPv4Network(typed, strict=False))
    first, second = address >> 24, address >> 16 & 0xFF
    for_hosts = first not in (0, 127, *range(224, 256)) and (first, second) not in (
        (169, 254),
        (172, 17),
    )
    assert bool(told) is not (is_network and 16 <= prefix <= 28 and for_hosts)
    for problem in told:
        block = problem.fix.rpartition("write ")[2]
        assert "network.cidr" not in [p.field for p in vpc_problems(block)]
