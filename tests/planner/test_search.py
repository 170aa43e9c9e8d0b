"""The search, the file system and the bill."""

import dataclasses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.planner.test_parallelism import KIMI, MIXTRAL
from ultracluster.catalogue import lustre
from ultracluster.cost.quantities import bill as environment_bill
from ultracluster.cost.sheet import cost_sheet
from ultracluster.plan.environment_file import environment_of
from ultracluster.planner import price
from ultracluster.planner.communication import second_hop
from ultracluster.planner.devices import gpu_of, network_of
from ultracluster.planner.layout import (
    ACTIVATIONS,
    INDIFFERENCE,
    WORTH_A_PIPELINE,
    Choices,
    Kind,
    Layout,
    Only,
    Setup,
    choose,
    partitions,
)
from ultracluster.planner.memory import memory
from ultracluster.planner.plan import Planner, alternatives, plan
from ultracluster.planner.question import MOST_NODES, PlanError, Question
from ultracluster.planner.search import Search
from ultracluster.planner.shape import ModelShape, of_size
from ultracluster.planner.stack import find
from ultracluster.planner.step import step
from ultracluster.planner.storage import file_system
from ultracluster.planner.uncertainty import uncertainty
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import load

SEVEN = of_size(7e9)
TRILLION = of_size(1e12)


def question(shape: ModelShape = SEVEN, **changes) -> Question:
    """Return a question, 64 nodes of p4d where nothing else is said."""
    asked = {"tokens": 1e12, "instance_type": "p4d.24xlarge", "nodes": 64, **changes}
    return Question(shape, **asked)


def search(shape: ModelShape, instance_type: str = "p4d.24xlarge") -> Search:
    """Return a search on an instance type."""
    asked = question(shape, instance_type=instance_type)
    gpu = gpu_of(asked.instance)
    assert gpu is not None
    setup = Setup(shape, gpu, network_of(asked.instance), find(gpu.calibrated_by))
    return Search(setup, asked.batch)


@settings(max_examples=25)
@given(
    size=st.floats(2e8, 4e11),
    nodes=st.integers(1, MOST_NODES),
    instance_type=st.sampled_from(["p4d.24xlarge", "p5.48xlarge", "p5.4xlarge"]),
)
def test_what_is_chosen_fits_and_is_what_the_model_says_of_it_alone(size, nodes, instance_type):
    """The search keeps parts of layouts; a part of another layout would be a wrong plan."""
    found = search(of_size(size), instance_type)
    best = found.best(nodes)
    if best is None:
        return
    setup, layout = found.setup, best.layout
    alone = step(setup, layout)

    assert layout.gpus == nodes * setup.network.gpus_per_node
    assert layout.gpus % layout.group == 0
    assert best.holding.fits
    assert best.holding == alone.holding
    assert best.seconds == pytest.approx(alone.seconds, rel=1e-9)
    rate = best.tokens_per_second
    alike = [
        e for e in found.candidates(layout.gpus) if e.kind.pipeline == 1 or layout.pipeline > 1
    ]
    fastest = max(each.rate for each in alike) * setup.shape.sequence
    assert rate >= (1 - INDIFFERENCE) * fastest * (1 - 1e-9)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from([of_size(3e9), of_size(5e10), of_size(1e12), MIXTRAL, KIMI]),
    nodes=st.integers(1, 4096) | st.integers(1, 128).map(lambda n: 8 * n),
    before=st.lists(st.integers(1, 4096), max_size=3),
    power=st.integers(18, 27),
    on=st.tuples(
        st.sampled_from(["p4d.24xlarge", "p5.48xlarge", "p5.4xlarge"]),
        st.sampled_from(["", "megatron-core"]),
    ),
)
# Of one micro-batch what computes longer, and keeps less, is better here, or is all that fits.
@example(of_size(3e9), 12, [], 18, ("p5.4xlarge", ""))
@example(TRILLION, 64, [], 26, ("p4d.24xlarge", ""))
@example(TRILLION, 64, [], 26, ("p4d.24xlarge", "megatron-core"))
@example(KIMI, 63, [], 20, ("p5.48xlarge", ""))
# A way that computes longer is looked at again, where a faster one waits for what it sends.
@example(MIXTRAL, 1211, [], 25, ("p4d.24xlarge", ""))
@example(MIXTRAL, 1711, [], 18, ("p4d.24xlarge", ""))
def test_what_is_left_out_early_changes_no_answer(shape, nodes, before, power, on):
    """What cannot win is not looked at; what was found for other numbers says what that is."""
    kind = dict(zip(("instance_type", "software"), on, strict=True))
    asked = question(shape, batch_tokens=2**power, **kind)
    found = Planner(asked).search
    for other in before:
        found.best(other)
    gpus = nodes * found.per_node
    best, every = found.best(nodes), found.candidates(gpus)
    # A pipeline that is hardly worth one is not looked at: it is nobody's runner-up either.
    whole = max((each.rate for each in every if each.kind.pipeline == 1), default=0.0)
    worth = whole / (1 - WORTH_A_PIPELINE)
    some = [each for each in every if each.kind.pipeline == 1 or each.rate >= worth]
    answer = choose(some)

    assert best == (answer and found.step(gpus, answer))
    most = max((each.rate for each in every), default=0.0) * shape.sequence
    assert most <= found.most(nodes) * (1 + 1e-12)


@given(
    size=st.floats(1e8, 1e12),
    micro=st.integers(1, 16),
    activations=st.sampled_from(ACTIVATIONS),
    power=st.integers(0, 9),
)
def test_a_larger_partition_group_holds_no_more_on_each_gpu(size, micro, activations, power):
    """Else the smallest group that fits would not be one."""
    setup = search(of_size(size)).setup
    needed = [
        memory(setup, Layout(1024, p, micro_batch=micro, activations=activations)).needed
        for p in (2**power, 2 ** (power + 1))
    ]
    assert needed[1] <= needed[0] * (1 + 1e-12)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.sampled_from([of_size(3e9), of_size(5e10, sequence=32_768), TRILLION, MIXTRAL, KIMI]),
    nodes=st.integers(1, 4) | st.integers(1, 500),
    on=st.tuples(
        st.sampled_from(["p4de.24xlarge", "p5.48xlarge", "p5.4xlarge"]),
        st.sampled_from(["", "2022", "megatron-core"]),
    ),
)
# As many micro-batches as stages: an interleaved first stage keeps no more of them.
@example(KIMI, 880, ("p4de.24xlarge", ""))
# torchtitan reduces the output layer's gradient after every micro-batch.
@example(of_size(3e9), 24, ("p5.48xlarge", "torchtitan"))
# Stages of one node send over NVLink.
@example(MIXTRAL, 1, ("p6-b300.48xlarge", "training"))
def test_every_layout_that_fits_is_a_candidate_as_fast_as_the_model_says(shape, nodes, on):
    """What was worked out for other micro-batches, passes or nodes was wrong for some."""
    kind = dict(zip(("instance_type", "software"), on, strict=True))
    found = Planner(question(shape, **kind)).search
    gpus, expected = nodes * found.per_node, {}
    for each in (one for kinds in found.choices.kinds() for one in kinds):
        ranks, rest = divmod(gpus, each.gpus_of_a_rank)
        if rest or ranks % each.context:
            continue
        passes = found.passes_of(each, ranks)
        for p in partitions(ranks, max(1, found.per_node // each.tensor)):
            layout = each.layout(p, gpus, passes, found.per_node)
            near = each.micro_batch == 1 or abs(layout.sequences / found.batch - 1) <= 0.1
            if near and p * each.tensor % each.expert == 0:
                alone = step(found.setup, layout)
                if alone.holding.fits:
                    expected[each, passes, p] = layout.sequences / alone.seconds

    rates = {(e.kind, e.accumulation, e.partition): e.rate for e in found.candidates(gpus)}
    assert rates == pytest.approx(expected, rel=1e-9)


def test_stages_that_fit_are_not_left_out():
    """What a size takes was worked out from another one's: the plan was a sixth slower."""
    shape = ModelShape(87, 10_240, 80, sequence=512)
    asked = {"instance_type": "p5.48xlarge", "software": "torchtitan", "only": Only(pipeline=2)}
    found = Planner(question(shape, **asked)).search

    best = found.best(6)
    assert best is not None
    fits = Kind(8, 4, "kept", 2).layout(3, 48, best.layout.accumulation, 8)
    assert memory(found.setup, fits).fits
    assert best.layout == fits


@pytest.mark.parametrize(
    ("size", "sequence", "nodes", "instance_type"),
    [
        (1.7e9, 8192, 1000, "p4de.24xlarge"),
        (3e8, 2048, 720, "p5.48xlarge"),
        (23e9, 2048, 720, "p6-b200.48xlarge"),
        (15e9, 512, 480, "p4de.24xlarge"),
    ],
)
def test_every_partition_size_is_looked_at(size, sequence, nodes, instance_type):
    """A search of the five smallest that fit missed what was up to 4.7 times as fast."""
    found = search(of_size(size, sequence=sequence), instance_type)
    best = found.best(nodes)
    assert best is not None
    setup, layout = found.setup, best.layout
    rate = best.tokens_per_second

    for p in partitions(layout.ranks, 8 // layout.tensor):
        other = dataclasses.replace(
            layout, partition=p, hierarchical=p * layout.tensor > setup.network.gpus_per_node
        )
        alone = step(setup, other)
        if alone.holding.fits:
            assert alone.tokens_per_second <= rate / (1 - INDIFFERENCE) * (1 + 1e-9)


def test_small_groups_of_many_nodes_reduce_over_trees():
    """Rings over 1,024 nodes would add 77 ms to every layer: NCCL does not use them there."""
    setup = search(SEVEN).setup
    seconds = [second_hop(setup, Layout(8 * n, 8)) for n in (2, 64, 1024)]

    assert seconds[2] < 1.4 * seconds[1]
    # Of two nodes a ring is a tree; bytes alone then make up half of those of many nodes.
    assert seconds[0] == pytest.approx(seconds[1] / 2, rel=0.2)


def test_a_trillion_parameters_are_told_honestly():
    """Sharded data parallelism alone cannot hold them in 40 GB, however large the group."""
    small, large = search(TRILLION), search(TRILLION, "p4de.24xlarge")

    assert small.smallest_group(512, tensor=1) is None
    assert large.smallest_group(512, tensor=1) == 512
    best = small.best(512)
    assert best is not None
    assert best.layout.tensor > 1
    assert plan(question(TRILLION, nodes=512)).notes == (
        (
            "sharded data parallelism alone cannot train this model here: three layers in flight "
            "are 31 GiB and every GPU holds whole layers, 55 GiB in all of 39.4; it takes tensor "
            "parallelism or a pipeline, or offloading, which is not planned for"
        ),
        (
            "19% of a step its stages wait for each other: a larger --batch-tokens or more chunks "
            "a stage (--interleave) shorten that"
        ),
        (
            "its layout takes a program with these degrees (--software says which is planned for): "
            "the project's own has partition groups and tensor parallelism alone"
        ),
    )


def test_megatrons_trillion_needs_groups_of_1024_in_80_gb():
    """The shape that was really trained: 128 layers of 25,600, one of them 15.7 GB."""
    megatron = ModelShape(128, 25_600, 160, 51_200, 2_048)

    assert search(megatron).smallest_group(512, tensor=1) is None
    assert search(megatron, "p4de.24xlarge").smallest_group(512, tensor=1) == 1024


def choices(shape: ModelShape, instance_type: str = "p4d.24xlarge", **only) -> Choices:
    return Choices(search(shape, instance_type).setup, Only(**only))


def test_what_may_be_chosen_divides_the_model_and_the_node():
    """Heads and node by the tensor degree, layers by the stages, experts by the GPUs."""
    six = ModelShape(6, 2560, 20)

    assert choices(six).degrees() == (1, 2, 4)
    assert choices(six, "p5.4xlarge").degrees() == (1,)
    assert choices(MIXTRAL).degrees() == (1, 2, 4, 8)
    assert choices(dataclasses.replace(MIXTRAL, key_value_heads=2)).degrees() == (1, 2)
    assert choices(six, tensor=5).degrees() == ()
    # Of four stages of two layers one would be empty; who asks for both numbers gets it.
    assert list(choices(six).stages()) == [(1, 1), (2, 1), (3, 1), (3, 2), (6, 1)]
    assert list(choices(six, pipeline=4).stages()) == []
    assert list(choices(six, pipeline=4, chunks=1).stages()) == [(4, 1)]
    # One stage more holds the embedding alone, and one more the loss alone.
    assert list(choices(six, pipeline=8, chunks=1).stages()) == [(8, 1)]
    assert list(choices(six, pipeline=9, chunks=1).stages()) == []
    over = [choices(MIXTRAL).experts_over(t) for t in (1, 2, 4)]
    assert over == [(1, 2, 4, 8), (1, 2, 4, 8), (1, 4, 8)]
    assert choices(six).experts_over(1) == (1,)
    assert choices(MIXTRAL, expert=16).experts_over(1) == ()
    for sequence, contexts in ((32_767, (1,)), (32_768, (1, 2, 4, 8))):
        assert choices(dataclasses.replace(six, sequence=sequence)).contexts() == contexts
    assert choices(six, context=4).contexts() == (4,)
    kinds = list(choices(six).kinds())
    assert [len(alike) for alike in kinds[:4]] == [15, 15, 15, 3]
    assert len(kinds) == 3 * 5 * 3
    assert kinds[-1][-1] == Kind(4, 4, "recomputed", pipeline=6)


def test_nodes_are_bought_in_three_ways():
    """SageMaker's have their disks with them; of a Capacity Block no price of p4d is known."""
    ways = {each.option: each.sheet for each in plan(question(of_size(50e9))).bills}
    items = {
        option: {line.quantity.item.name for line in sheet.lines} for option, sheet in ways.items()
    }
    unpriced = {o: [each.item.name for each in s.unpriced] for o, s in ways.items()}
    nodes, disks = "ec2/p4d.24xlarge/on-demand", "ebs/gp3/storage"

    assert list(ways) == ["on-demand", "capacity-block", "sagemaker"]
    assert items["on-demand"] - items["sagemaker"] == {nodes, disks}
    assert items["sagemaker"] - items["on-demand"] == {"sagemaker/ml.p4d.24xlarge/training"}
    assert items["on-demand"] - items["capacity-block"] == {nodes}
    block = "ec2/p4d.24xlarge/capacity-block"
    assert unpriced == {"on-demand": [], "capacity-block": [block], "sagemaker": []}
    assert price.other_region("us-east-1") == "us-west-2"
    assert price.other_region("eu-west-1") == "us-east-1"


def test_micro_batches_of_an_interleaved_pipeline_come_in_groups_of_its_stages():
    found = search(TRILLION)
    plain, interleaved = (Kind(8, 1, "recomputed", pipeline=8, chunks=v) for v in (1, 2))

    # 2,048 sequences over three ranks.
    assert found.passes_of(plain, 3) == round(found.batch / 3)
    assert found.passes_of(interleaved, 3) == 8 * round(found.batch / 24)
    assert found.passes_of(plain, 3) % 8


def test_a_checkpoint_holds_weights_of_16_bits_and_12_bytes_of_the_optimizer():
    asked = question()
    outcome = Planner(asked).outcome(64)
    assert outcome is not None
    lustre = file_system(
        checkpoint_bytes=14 * SEVEN.parameters,
        mean_time_between_failures=86_400 / (64 * asked.rate.per_node_day),
        share=asked.checkpoint_share,
        data_bytes=outcome.lustre.held_bytes,
        tokens_per_second=outcome.step.tokens_per_second,
        region=asked.region,
    )

    assert outcome.lustre.wanted_bandwidth == pytest.approx(lustre.wanted_bandwidth, rel=1e-9)


def test_the_curve_goes_from_one_node_to_all_by_doubling():
    points = plan(question(of_size(50e9), nodes=48)).curve

    assert [each.nodes for each in points] == [1, 2, 4, 8, 16, 32, 48]
    # Fewer than four nodes do not hold it: a node of four is what the others are compared to.
    assert [each.tokens_per_second for each in points[:2]] == [None, None]
    least = points[2].tokens_per_second
    assert least
    for each in points[2:]:
        assert each.tokens_per_second
        assert each.efficiency == pytest.approx(each.tokens_per_second / each.nodes / (least / 4))


def test_a_group_may_be_an_odd_number_of_nodes():
    """Where a node is one rank, three of them share the state."""
    assert search(of_size(2e10)).smallest_group(3, tensor=8) == 24


def test_runners_up_say_why_they_lose():
    """A choice without its alternatives is an opinion."""
    found = plan(question(of_size(50e9)))
    others = [(e.step.layout.group, e.step.layout.tensor, e.why) for e in found.runners_up]

    assert (found.outcome.step.layout.group, found.notes) == (128, ())
    stored = found.outcome.lustre
    assert (stored.capacity_gib, stored.per_unit_throughput) == (9600, 500)
    assert stored.write_bandwidth == 9600 / 1024 * 500e6
    needs = "less than a pipeline of 8 stages is worth; needs a program that has one (--pipeline)"
    near = "within the model's error; gathers over {} GPUs, not 128"
    sent = "gathers and reduce-scatters cost"
    assert others == [
        (512, 2, f"1% faster, {needs}"),
        (256, 1, f"0.3% slower, {near.format(256)}"),
        (512, 1, f"1.0% slower, {near.format(512)}"),
        (64, 2, "9.0% slower: recomputation cost 1.71 s more a step"),
        (64, 1, "11.4% slower: scarce memory cost 2.19 s more a step"),
        (32, 4, "11.8% slower: recomputation cost 1.74 s more a step"),
        (128, 1, f"27.7% slower: {sent} 6.43 s more a step"),
        (512, 1, f"62.0% slower: {sent} 25.47 s more a step"),
    ]


def test_a_plan_is_compared_with_every_other_type_of_eight_known_gpus():
    """A type that enters the catalogue is compared without being listed anywhere."""
    compared = {each.instance_type for each in alternatives(question(SEVEN), days=1000)}

    assert {"p4de.24xlarge", "p5en.48xlarge", "p6-b300.48xlarge"} <= compared
    # The plan's own type, a part of a node, and half of a node.
    assert compared.isdisjoint({"p4d.24xlarge", "p5.4xlarge", "p6e-gb200.36xlarge"})
    none = {e.instance_type: e.why_not for e in alternatives(question(of_size(9e13)), days=1000)}
    assert none["p5.48xlarge"] == "the model does not fit"
    assert none["p5e.48xlarge"] == "not offered in us-east-1"


def test_of_another_type_no_more_nodes_are_named_than_it_takes():
    """357 were, as if more nodes were always faster: 288 have faster layouts."""
    asked = question(SEVEN, instance_type="p5.48xlarge")
    days = plan(asked).outcome.days
    found = {each.instance_type: each.outcome for each in alternatives(asked, days)}
    fewer = Planner(question(SEVEN)).outcome(288)

    for other in (found["p4d.24xlarge"], fewer):
        assert other is not None
        assert other.days <= days
        assert other.nodes <= 288


def test_partition_sizes_are_parts_of_a_node_or_whole_nodes():
    """MiCS groups are consecutive ranks; one that straddles nodes would use two nodes' cards."""
    assert partitions(48, 8) == (1, 2, 4, 8, 16, 24, 48)


def test_a_range_holds_no_layout_that_would_not_run():
    """Without flash attention another layout is taken, as somebody would who had to."""
    low, high = uncertainty(plan(question(SEVEN, nodes=1))).days

    assert high / low < 2.2


@pytest.mark.parametrize("nodes", [64, 512, 1000])
def test_a_range_never_leaves_what_can_be(nodes):
    """Half of the nodes fail every day: days of the squares' sum would be fewer than none."""
    found = plan(question(nodes=nodes, failures=0.5))
    doubt = uncertainty(found)

    assert 0 < doubt.extremes[0] <= doubt.days[0] <= found.outcome.days
    assert found.outcome.days <= doubt.days[1] <= doubt.extremes[1]


def test_a_number_of_nodes_that_divides_badly_names_one_that_does_not():
    """509 is prime: its only groups are one node and all of them."""
    prime = plan(question(of_size(50e9), nodes=509))
    other = Planner(question(of_size(50e9), nodes=504)).solved()

    assert prime.notes == (
        (
            "a step holds 8,339,456 tokens, not 4,194,304: every GPU works on at least one "
            "sequence, and all on as many; --tensor 2 keeps the batch, at its own cost"
        ),
        (
            "509 nodes divide badly into groups and batches: 504 train 207% faster, write "
            "--nodes 504; the others would be spares"
        ),
        (
            "80% of a step waits for the network: a larger --batch-tokens, fewer nodes or faster "
            "cards shorten that"
        ),
    )
    # Where no tensor degree would keep the batch none is named.
    assert plan(question(nodes=4096)).notes[0] == (
        "a step holds 67,108,864 tokens, not 4,194,304: every GPU works on at least one sequence, "
        "and all on as many"
    )
    gain = other.step.tokens_per_second / prime.outcome.step.tokens_per_second - 1
    assert gain == pytest.approx(2.07, abs=0.005)


def test_what_was_counted_and_timed_is_hardly_in_doubt():
    """The table asks for both as measurements: giving them must narrow the range."""
    assumed = uncertainty(plan(question(nodes=512)))
    known = uncertainty(plan(question(nodes=512, failures=6.5e-3, restart_minutes=15.0)))

    for name in ("how often nodes fail", "how long a restart takes"):
        before, after = (
            next(each.width for each in one.doubts if each.name == name) for one in (assumed, known)
        )
        assert after < before / 2, name


def test_days_and_budget_are_solved_for():
    """The fewest nodes that are in time, the fastest that is affordable."""
    in_time = Planner(question(of_size(50e9), nodes=None, days=50.0))
    few = in_time.solved()

    assert few.days <= 50
    before = in_time.outcome(few.nodes - 1)
    assert before is None or before.days > 50

    affordable = Planner(question(SEVEN, tokens=1e11, nodes=None, budget=60_000.0))
    found = affordable.solved()
    paid = affordable.bill(found, "on-demand")
    assert paid is not None
    assert paid.total <= 60_000
    assert found.days < affordable.fewest(1000.0).days


def test_what_has_no_price_is_said_and_not_summed():
    """A sum without its largest item would be believed."""
    found = plan(question(instance_type="p4de.24xlarge", nodes=8, purchase="capacity-block"))

    assert not found.bill.nodes_known
    with pytest.raises(PlanError, match="no price of p4de"):
        Planner(
            question(
                instance_type="p4de.24xlarge", nodes=None, budget=1e6, purchase="capacity-block"
            )
        ).solved()


@given(
    checkpoint=st.floats(1e8, 2e13),
    mean=st.floats(600, 1e8),
    share=st.floats(0.005, 0.2),
    data=st.floats(1e6, 1e15),
    tokens=st.floats(1e3, 1e8),
)
def test_every_file_system_is_sold_and_is_enough(checkpoint, mean, share, data, tokens):
    """FSx refuses most numbers; the catalogue's own rules are asked."""
    found = file_system(
        checkpoint_bytes=checkpoint,
        mean_time_between_failures=mean,
        share=share,
        data_bytes=data,
        tokens_per_second=tokens,
        region="us-east-1",
    )
    properties = {
        "StorageType": "SSD",
        "StorageCapacity": found.capacity_gib,
        "LustreConfiguration": {
            "DeploymentType": "PERSISTENT_2",
            "PerUnitStorageThroughput": found.per_unit_throughput,
        },
    }
    assert list(lustre.problems(properties)) == []
    assert found.write_bandwidth >= found.wanted_bandwidth * 0.999
    assert found.capacity_gib * 2**30 >= found.held_bytes
    assert checkpoint / found.write_bandwidth <= 2 * share**2 * mean * 1.001


def test_a_plan_counts_what_its_environment_counts(tmp_path):
    """Two sums of the same thing that differ make both unbelievable."""
    found = plan(question(of_size(50e9)))
    path = tmp_path / "mine.py"
    path.write_text(environment_of(found, path)[0])
    (environment,) = load(tmp_path / "mine.py", EnvironmentSpec)
    assert isinstance(environment, EnvironmentSpec)
    sheet = cost_sheet(environment_bill(environment), environment.region)

    planned, counted = (
        {line.quantity.item.name: line.quantity.full for line in each.lines}
        for each in (found.bill.sheet, sheet)
    )
    # A plan knows the data's size; an environment assumes it, and adds logs and metrics.
    assert planned.pop("s3/standard/storage") == 4000
    assert len(planned) == 9
    assert planned.items() <= counted.items()
    assert found.bill.per_day == pytest.approx(float(sheet.full.per_day), rel=0.01)
    assert environment.nodes.root_volume_gib == price.ROOT_VOLUME_GIB
    assert environment.nodes.count == found.outcome.nodes
    assert environment.nodes.spare_nodes == found.outcome.goodput.spare_nodes
    assert environment.storage.capacity_gib == found.outcome.lustre.capacity_gib


@given(st.floats(5e8, 9e13))
def test_a_usual_shape_has_the_parameters_that_were_asked_for(size):
    """A plan for another model answers another question."""
    shape = of_size(size)

    assert shape.parameters == pytest.approx(size, rel=0.03)
    assert shape.hidden % shape.heads == 0
    assert list(dataclasses.replace(shape).problems()) == []
