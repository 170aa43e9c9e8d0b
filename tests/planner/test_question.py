"""What may be asked: every number up to its bounds, and no further."""

from dataclasses import fields, replace
from typing import Any

import pytest

from ultracluster.planner.layout import Only
from ultracluster.planner.question import Question
from ultracluster.planner.shape import ModelShape, of_size
from ultracluster.problem import Problem

ASKED = Question(of_size(7e9), 1e12, "p4d.24xlarge", nodes=64)
MIXED = ModelShape(8, 1024, 8, experts=16, experts_per_token=2, expert_width=512)


def said(asked: Question, **changes: Any) -> dict[str, str]:
    """Return what is said of a question with other values, by option."""
    return {problem.field: problem.fix for problem in problems(asked, **changes)}


def got(asked: Question, **changes: Any) -> list[object]:
    """Return the values that cannot be, as they are shown."""
    return [problem.got for problem in problems(asked, **changes)]


def problems(asked: Question, **changes: Any) -> list[Problem]:
    only = {name: value for name, value in changes.items() if hasattr(Only, name)}
    of_shape = {field.name for field in fields(ModelShape)}
    shape = {name: value for name, value in changes.items() if name in of_shape}
    rest = {name: changes[name] for name in changes.keys() - only.keys() - shape.keys()}
    asked = replace(asked, **rest, only=Only(**only), shape=replace(asked.shape, **shape))
    return list(asked.problems())


@pytest.mark.parametrize(
    ("option", "name", "low", "high", "fix"),
    [
        ("--tokens", "tokens", 1e6, 1e17, "write 1,000,000 to 1e+17 tokens"),
        ("--nodes", "nodes", 1, 32_768, "write 1 to 32,768 nodes"),
        ("--days", "days", 1e-3, 3650.0, "write 0.001 to 3,650 days"),
        ("--budget", "budget", 1.0, 1e12, "write 1 to 1e+12 USD"),
        ("--batch-tokens", "batch_tokens", 1, 2**30, "write 1 to 1,073,741,824 tokens"),
        ("--partition", "group", 1, 262_144, "write 1 to 262,144 GPUs"),
        ("--tensor", "tensor", 1, 8, "write 1 to 8 GPUs"),
        ("--pipeline", "pipeline", 1, 34, "write 1 to 34 stages"),
        ("--interleave", "chunks", 1, 34, "write 1 to 34 chunks"),
        ("--context", "context", 1, 1024, "write 1 to 1,024 GPUs"),
        ("--expert-parallel", "expert", 1, 1, "it can only be 1; leave it out"),
        ("--node-gbps", "node_gbps", 1, 100_000, "write 1 to 100,000 Gbps"),
        ("--micro-batch", "micro_batch", 1, 4096, "write 1 to 4,096 sequences"),
        ("--restart-minutes", "restart_minutes", 0, 1440.0, "write 0 to 1,440 minutes"),
        ("--checkpoint-share", "checkpoint_share", 1e-4, 0.5, "write 0.0001 to 0.5 of the time"),
        ("--failures", "failures", 1e-6, 1.0, "write failures per node and day, 0.000001 to 1"),
    ],
)
def test_a_number_is_taken_up_to_its_bounds(option, name, low, high, fix):
    """One further is refused, with both bounds."""
    beyond = (low * 0.99 - (not low), high * 1.01)
    if isinstance(high, int):
        beyond = (low - 1, high + 1)
    for value in (low, high):
        assert said(ASKED, **{"nodes": None, name: value}) == {}
    for value in beyond:
        assert said(ASKED, **{"nodes": None, name: value}) == {option: fix}
        assert got(ASKED, **{"nodes": None, name: value}) == [value]


def test_a_shape_has_its_bounds():
    """Sizes from 1 to 2^24; the first that cannot be is said alone, as others follow from it."""
    every = "write a whole number from 1 to 16,777,216"
    for option in ("layers", "hidden", "heads", "vocabulary", "sequence"):
        for value in (0, 2**24 + 1):
            assert said(ASKED, **{option: value})[f"--{option}"] == every
    assert said(ASKED, sequence=2**24) == {}
    assert said(ASKED, feed_forward=-1) == {"--feed-forward": every}
    assert said(ASKED, feed_forward=2**24 + 1)["--feed-forward"] == every
    assert "--feed-forward" not in said(ASKED, feed_forward=2**24)


def test_heads_divide_the_width_and_share_keys_evenly():
    """The nearest that would do is named; a size of heads of their own needs no division."""
    small = replace(ASKED, shape=ModelShape(8, 1024, 8))

    wanted = "the width 1024 must be a multiple of the heads; write 8"
    assert said(small, heads=7) == {"--heads": wanted}
    assert said(small, heads=7, head_size=64) == {}
    wanted = "the 8 heads must share them evenly; write a divisor of 8"
    for groups in (-1, 3, 16):
        assert said(small, key_value_heads=groups) == {"--key-value-heads": wanted}
    assert said(small, key_value_heads=4) == {}


def test_a_model_is_neither_tiny_nor_beyond_what_anybody_trains():
    option = "--layers, --hidden"
    assert option in said(ASKED, layers=1, hidden=64, heads=1, vocabulary=1)
    assert said(ASKED, layers=20, hidden=64, heads=1, vocabulary=1024) == {}
    # 1e14, and the 1 % that a usual shape may be off.
    of_a_layer = 12 * 2**34 + 13 * 2**17
    assert said(ASKED, layers=489, hidden=2**17, heads=1024) == {}
    assert 489 * of_a_layer > 1e14
    assert option in said(ASKED, layers=491, hidden=2**17, heads=1024)


@pytest.mark.parametrize(
    ("option", "name", "low", "high"),
    [
        ("--experts", "experts", 2, 65_536),
        ("--experts-per-token", "experts_per_token", 1, 16),
        ("--expert-width", "expert_width", 1, 2**24),
        ("--shared-experts", "shared_experts", 0, 16),
        ("--dense-layers", "dense_layers", 0, 7),
    ],
)
def test_experts_have_their_bounds(option, name, low, high):
    """More experts to a token than there are, or no block that has any, is no mixture."""
    mixed = replace(ASKED, shape=MIXED)
    for value in (low, high):
        assert option not in said(mixed, **{name: value})
    for value in (low - 1, high + 1):
        if (name, value) != ("experts", 0):
            wanted = f"write a whole number from {low:,} to {high:,}"
            assert said(mixed, **{name: value}) == {option: wanted}


@pytest.mark.parametrize("name", ["experts_per_token", "expert_width", "shared_experts"])
def test_a_dense_model_has_no_sizes_of_experts(name):
    assert said(ASKED, **{name: 1}) == {"--experts": "write how many experts a block has"}


def test_what_is_not_given_has_its_default():
    """Batches of 4 Mi tokens, RSC-1's failures, a quarter of an hour for a restart."""
    assert (ASKED.batch, replace(ASKED, batch_tokens=1).batch) == (2048, 1)
    assert ASKED.restart_seconds == 900
    assert replace(ASKED, restart_minutes=2.0).restart_seconds == 120
    assert ASKED.rate.per_node_day == 6.5e-3
    assert replace(ASKED, failures=0.5).rate.per_node_day == 0.5


@pytest.mark.parametrize(
    ("changes", "option", "fix"),
    [
        ({"instance_type": "p9.metal"}, "--instance", "no such instance type is known; write p4d."),
        ({"instance_type": "g5.48xlarge"}, "--instance", "the training speed of A10G is not known"),
        (
            {"instance_type": "p6e-gb200.36xlarge"},
            "--instance",
            "no Region is known that offers it",
        ),
        ({"purchase": "spot"}, "--purchase", "write on-demand, capacity-block or sagemaker"),
        ({"region": "mars-1"}, "--region", "p4d.24xlarge is not offered there; write ap-"),
        ({"software": "compiled"}, "--software", "it was measured on H100 alone; write fsdp"),
        ({"software": "x"}, "--software", "write fsdp, compiled, megatron, megatron-core,"),
        ({"failures": "x"}, "--failures", "write opt-175b, rsc-1, llama-3 or rsc-2, or failures"),
        ({"days": 3.0}, "--nodes and --days", "only one of them can be given"),
    ],
)
def test_what_follows_from_a_fault_is_not_told_beside_it(changes, option, fix):
    """One problem: the others would be gone with it."""
    ((name, words),) = said(ASKED, **changes).items()

    assert name == option
    assert words.startswith(fix)
    (value,) = got(ASKED, **changes)
    assert value == ("both" if option == "--nodes and --days" else next(iter(changes.values())))
