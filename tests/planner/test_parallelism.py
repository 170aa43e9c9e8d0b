"""Pipelines, experts, context and tensor parallelism: bytes and seconds against arithmetic."""

from dataclasses import replace

import pytest

from ultracluster.planner.communication import communicate
from ultracluster.planner.devices import gpu_of, network_of
from ultracluster.planner.goodput import goodput
from ultracluster.planner.layout import (
    KEPT,
    RECOMPUTED,
    SELECTIVE,
    Choices,
    Layout,
    Only,
    Setup,
)
from ultracluster.planner.memory import memory
from ultracluster.planner.plan import Planner, plan
from ultracluster.planner.question import Question
from ultracluster.planner.shape import ModelShape, of_size
from ultracluster.planner.stack import stack_for
from ultracluster.planner.step import Step, step

MEGATRON = ModelShape(128, 25_600, 160, 51_200, 2_048)
MIXTRAL = ModelShape(
    layers=32,
    hidden=4096,
    heads=32,
    vocabulary=32_000,
    sequence=4096,
    gated=True,
    key_value_heads=8,
    tied=False,
    experts=8,
    experts_per_token=2,
    expert_width=14_336,
)
KIMI = replace(
    MIXTRAL,
    layers=61,
    hidden=7168,
    heads=64,
    vocabulary=163_840,
    feed_forward=18_432,
    head_size=128,
    experts=384,
    experts_per_token=8,
    expert_width=2048,
    shared_experts=1,
    dense_layers=1,
)
TRILLION = {"tokens": 629e9, "instance_type": "p4d.24xlarge", "nodes": 512}


def setup(shape: ModelShape, instance_type: str = "p4d.24xlarge", software: str = "") -> Setup:
    """Return a model on the GPUs of an instance type."""
    instance = Question(shape, 1e12, instance_type).instance
    gpu = gpu_of(instance)
    assert gpu is not None
    return Setup(shape, gpu, network_of(instance), stack_for(gpu, software))


def staged(**changes) -> Layout:
    """Return eight stages of eight GPUs with 64 micro-batches."""
    values = {"pipeline": 8, "tensor": 8, "accumulation": 64, "reshard": False, **changes}
    return Layout(512, 8, **values)


def test_known_mixtures_have_their_parameters():
    """Mixtral 8x7B: 46.7 B, of which a token passes 12.9 B (arXiv 2401.04088)."""
    assert MIXTRAL.parameters == pytest.approx(46.7e9, rel=0.005)
    assert MIXTRAL.active_parameters == pytest.approx(12.9e9, rel=0.005)
    assert MIXTRAL.model_flops_per_token < 7 * MIXTRAL.active_parameters


def test_stages_wait_for_p_minus_1_passes_and_chunks_shorten_that():
    """The bubble of Narayanan et al. 2021: (p-1)/m, and a v-th of it interleaved."""
    once, chunked = step(setup(MEGATRON), staged()), step(setup(MEGATRON), staged(chunks=4))

    assert once.bubble == pytest.approx(7 * once.micro)
    assert chunked.bubble == pytest.approx(7 / 4 * chunked.micro)
    assert once.seconds == pytest.approx(71 * once.micro + once.ending + once.optimizer)
    # Chunks send four times as often.
    sent = [each.sending.passing.stages for each in (once, chunked)]
    assert sent[1] == pytest.approx(4 * sent[0])


@pytest.mark.parametrize(("chunks", "first", "last"), [(1, 8, 1), (2, 11.5, 4.5), (4, 9.75, 6.25)])
def test_the_first_stage_keeps_the_activations_of_its_warm_up(chunks, first, last):
    """Megatron's schedule: 2(p-1) + (v-1)p + 1 chunks on the first, (v-1)p + 1 on the last."""
    layout = staged(chunks=chunks)

    assert layout.in_flight == (first, last)
    assert layout.in_flight[0] * chunks == (8 if chunks == 1 else 14 + (chunks - 1) * 8 + 1)
    one = memory(setup(MEGATRON), replace(layout, accumulation=1)).activations
    assert memory(setup(MEGATRON), layout).activations == pytest.approx(first * one)


def test_the_slowest_stage_sets_the_pace():
    """Of 61 layers on 8 stages the fullest have 8; with 64 layers the last one has the loss too."""
    uneven = step(setup(replace(MEGATRON, layers=61)), staged())
    even = step(setup(replace(MEGATRON, layers=64)), staged())

    assert uneven.computing.products == pytest.approx(even.computing.products)
    assert uneven.computing.loss < even.computing.loss


def test_a_stage_holds_its_weights_and_their_gradients():
    """2 + 4 bytes of every parameter it has, and 12 of those that it shares with nobody."""
    held = memory(setup(MEGATRON), staged())
    of_a_gpu = MEGATRON.layers * MEGATRON.block_parameters / 64

    # An embedding of the first or the last stage comes to it.
    assert held.gradients == pytest.approx(4 * of_a_gpu, rel=0.02)
    assert held.embeddings == pytest.approx(2 * of_a_gpu, rel=0.02)
    assert held.parameters + held.optimizer == pytest.approx(12 * of_a_gpu / 8, rel=0.02)


def test_zero_1_holds_all_weights_and_hides_all_but_a_layer_of_what_it_sends():
    """Megatron-Core's distributed optimizer: weights and gradients are sent once a step."""
    shape, layout = of_size(7e9), Layout(512, 512, micro_batch=4, accumulation=4)
    fully, core = (setup(shape, software=each) for each in ("fsdp", "megatron-core"))
    mine, theirs = step(fully, layout), step(core, layout)

    assert theirs.holding.gradients == pytest.approx(2 * shape.parameters, rel=0.01)
    assert theirs.holding.embeddings == pytest.approx(2 * shape.parameters, rel=0.01)
    assert theirs.holding.parameters == mine.holding.parameters
    assert (mine.times_sharded, theirs.times_sharded) == (4, 1)
    sent = theirs.sending.sharded.seconds
    assert theirs.ending == pytest.approx(sent / shape.layers)
    # Where a pass is too short to hide it, the step waits for the rest.
    short = step(core, replace(layout, micro_batch=1, accumulation=1))
    assert short.ending == pytest.approx(sent - short.micro * (1 - 1 / shape.layers))


def test_megatron_core_passes_on_beside_other_chunks_and_keeps_its_products():
    """What one chunk sends hides behind the next; selective recomputation computes none again."""
    core = setup(MEGATRON, software="megatron-core")
    once, chunked = step(core, staged()), step(core, staged(chunks=4))

    assert once.sending.passing.stages > 0 == chunked.sending.passing.stages
    assert chunked.ending < once.ending
    kept, some = (step(core, staged(activations=each)) for each in (KEPT, SELECTIVE))
    assert some.computing.products == kept.computing.products
    assert some.holding.activations < 0.8 * kept.holding.activations


def test_attention_beside_the_network_halves_what_tensor_parallel_ranks_send():
    """Falcon: one sum of both a block, forward and backward."""
    layout = Layout(64, 8, 8, activations=KEPT)
    shapes = MEGATRON, replace(MEGATRON, parallel_block=True)
    whole, half = (communicate(setup(each), layout).passing.tensor for each in shapes)

    assert half == pytest.approx(whole / 2)


def test_heads_of_keys_are_copied_where_more_ranks_are_asked_for():
    """StarCoder: one head of keys for 48 of queries, on four GPUs (arXiv 2305.06161)."""
    one = replace(MEGATRON, key_value_heads=1)
    four = Layout(64, 16, 4, activations=KEPT)
    products = step(setup(one), four).computing.products
    divided = step(setup(replace(one, key_value_heads=4)), four).computing.products

    assert products == pytest.approx(divided)
    assert 4 not in Choices(setup(one), Only()).degrees()
    assert Choices(setup(one), Only(tensor=4)).degrees() == (4,)


def test_experts_are_divided_and_their_tokens_cross_the_network_at_a_price():
    """Eight GPUs of a node or 16 of two: half the experts each, and the cards carry the tokens."""
    one, two = (Layout(512, 64, expert=e, activations=KEPT) for e in (8, 16))
    near, far = (communicate(setup(KIMI), each).passing.experts for each in (one, two))
    bytes_each_way = 4096 * 8 * 7168 * 2

    assert near == pytest.approx(60 * 4 * bytes_each_way * 7 / 8 / 230e9, rel=0.02)
    assert far == pytest.approx(60 * 4 * bytes_each_way / 2 / (42e9 / 8), rel=0.02)
    layers = [memory(setup(KIMI), each).layer for each in (one, two)]
    assert layers[1] == pytest.approx(layers[0] / 2, rel=0.1)


def test_experts_are_divided_in_parts_where_more_gpus_are_asked_for():
    """NeMo's Grok-1: eight experts over eight times four GPUs, each a quarter of one."""
    whole, parts = (Layout(512, 16, 4, expert=e, activations=KEPT) for e in (8, 32))
    products = [step(setup(MIXTRAL), each).computing.products for each in (whole, parts)]
    held = [memory(setup(MIXTRAL), each).layer for each in (whole, parts)]

    # The tokens of four times as many ranks, through a quarter of the width.
    assert products[1] == pytest.approx(products[0], rel=0.1)
    assert held[1] < 0.4 * held[0]
    assert Choices(setup(MIXTRAL), Only(expert=32)).experts_over(4) == (32,)
    assert max(Choices(setup(MIXTRAL), Only()).experts_over(4)) == 8
    assert Choices(setup(MIXTRAL), Only(expert=64)).experts_over(4) == ()


def test_ranks_of_a_sequence_share_its_tokens():
    """Four ranks: a quarter of the activations and of the computing each, and keys go round."""
    long = setup(replace(MIXTRAL, experts=0, sequence=131_072))
    alone, shared = (Layout(64, 64, context=c, activations=KEPT) for c in (1, 4))
    one, four = step(long, alone), step(long, shared)

    assert four.holding.activations == pytest.approx(one.holding.activations / 4)
    assert four.computing.attention == pytest.approx(one.computing.attention / 4)
    assert shared.sequences == alone.sequences / 4
    assert four.sending.passing.context > 0
    two = step(long, Layout(64, 64, context=2, activations=KEPT))
    assert one.sending.passing.context == 0 < two.sending.passing.context


def test_selective_recomputation_lies_between():
    """It keeps attention and half of the products: less memory than all, less work than nothing."""
    ways = [step(setup(MIXTRAL), Layout(512, 64, activations=each)) for each in
            (KEPT, SELECTIVE, RECOMPUTED)]  # fmt: skip
    held = [each.holding.activations + each.holding.working_layer for each in ways]

    assert held[0] > held[1] > held[2]
    assert ways[0].computed < ways[1].computed < ways[2].computed
    again = [each.hardware_tflops / each.model_tflops for each in ways]
    assert again == pytest.approx([1, 3.5 / 3, 4 / 3])
    flops = ways[0].tokens_per_second / 512 * MIXTRAL.model_flops_per_token
    assert ways[0].model_tflops * 1e12 == pytest.approx(flops, rel=1e-14)


def mfu(found: Step) -> float:
    """Return the share of the peak that the model's own FLOPs are."""
    return found.model_tflops * 1e12 / found.setup.gpu.peak


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        (MEGATRON, {}),
        (MEGATRON, {"nodes": 64, "instance_type": "p5.48xlarge"}),
        (MEGATRON, {"only": Only(pipeline=64, tensor=8, chunks=2)}),
        (KIMI, {"batch_tokens": 2**26}),
        (KIMI, {"batch_tokens": 2**26, "nodes": 64, "instance_type": "p5.48xlarge"}),
    ],
    ids=["dense-p4d", "dense-p5", "gpt-1t-p4d", "experts-p4d", "experts-p5"],
)
def test_a_trillion_parameters_train(shape, changes):
    """The promise: 30 % MFU or more, checkpoints closer than a quarter of the failures."""
    found = plan(Question(shape, **{**TRILLION, **changes}))

    assert mfu(found.outcome.step) >= 0.30
    left = found.outcome.goodput
    assert left.interval <= left.mean_time_between_failures / 4
    assert found.outcome.step.holding.fits
    alone = step(found.setup, found.outcome.step.layout)
    assert alone.seconds == pytest.approx(found.outcome.step.seconds)


def test_a_trillion_on_64_nodes_is_not_refused():
    """38.9 of 39.4 GiB are needed: it fits, whether or not somebody would wait for it."""
    found = Planner(Question(MEGATRON, 1e10, "p4d.24xlarge", nodes=64)).solved()

    assert found.step.holding.fits


def test_more_than_20_000_gpus_are_planned():
    """4,096 nodes of p5 are 32,768 H100; of a type with one, 20,000 are as many nodes."""
    question = Question(MEGATRON, 20e12, "p5.48xlarge", nodes=4096, batch_tokens=2**24)
    found = plan(question).outcome.step

    assert found.layout.gpus == 32_768
    assert mfu(found) > 0.2

    small = Question(of_size(8e9), 20e12, "p5.4xlarge", nodes=20_000, batch_tokens=2**27)
    assert plan(small).outcome.step.layout.gpus == 20_000


def test_work_between_checkpoints_is_never_long_beside_the_time_between_failures():
    """A slow file system would else have half a failure's time done twice."""
    left = goodput(
        parameters=1e12, nodes=512, rate=1.6e-2, write_bandwidth=2e9, restart_seconds=900
    )

    assert left.interval <= left.mean_time_between_failures / 4
