"""Logs of nccl-tests and metrics files in place of assumptions."""

import json
import math
from dataclasses import asdict, replace

import pytest
import torch

from tests.planner.nccl_log import log
from training.mesh import Launch
from training.metrics import Metrics
from training.recipes import find as recipe
from training.settings import RunSettings
from ultracluster.plan.document import document
from ultracluster.planner.devices import network_of
from ultracluster.planner.layout import KEPT, RECOMPUTED, Layout, Setup
from ultracluster.planner.measurement import MeasurementError, metrics
from ultracluster.planner.network_log import nccl_tests
from ultracluster.planner.outcome import Plan
from ultracluster.planner.plan import Planner, plan
from ultracluster.planner.question import PlanError, Question
from ultracluster.planner.shape import of_size
from ultracluster.planner.step import step
from ultracluster.planner.uncertainty import MEASURED_ERROR, uncertainty

TWO_NODES = log(2, [(8, 161.0, 0.0, 0.0), (2**20, 309.0, 3.4, 6.4), (2**31, 51400, 41.8, 78.3)])
"""The published log of two p4de (awsome-distributed-ai)."""


def asked(**changes) -> Question:
    """Return a question about 50 B parameters on 64 p4d."""
    values = {"tokens": 7e11, "instance_type": "p4d.24xlarge", "nodes": 64, **changes}
    return Question(of_size(50e9), **values)


def test_a_log_of_two_nodes_gives_efficiency_and_latency():
    """41.8 of 50 GB/s are 84 %; 161 us for two hops are about 75 us each."""
    network = nccl_tests(TWO_NODES).applied(network_of(asked().instance))

    assert network.efficiency == pytest.approx(0.836, abs=0.001)
    assert network.hop_latency == pytest.approx(75e-6, abs=5e-6)


@pytest.mark.parametrize(
    ("nodes", "alg", "bus"), [(2, 30.49, 57.17), (3, 16.57, 31.77), (4, 15.28, 29.61)]
)
def test_logs_of_one_cluster_say_the_same_whatever_their_size(nodes: int, alg: float, bus: float):
    """What the cards carry does not depend on how many take part (p4d, NVIDIA/nccl#527)."""
    measured = nccl_tests(log(nodes, [(2**30, 2**30 / alg / 1e3, alg, bus)]))

    efficiency = measured.applied(network_of(asked().instance)).efficiency
    assert efficiency == pytest.approx(0.61, abs=0.03)


@pytest.mark.parametrize("nodes", [2, 4, 16, 64])
def test_the_latency_of_a_hop_does_not_vanish_in_logs_of_many_nodes(nodes: int):
    """8 bytes climb a tree: a ring of 16 nodes and 75 us a hop would take 2.3 ms, they 0.6 ms."""
    micros = 6.7 + 2 * (7 * 0.6 + math.log2(nodes) * 75)
    alg = 22.0
    bus = alg * 2 * (8 * nodes - 1) / (8 * nodes)
    rows = [(8, micros, 0.0, 0.0), (2**30, 2**30 / alg / 1e3, alg, bus)]

    network = nccl_tests(log(nodes, rows)).applied(network_of(asked().instance))
    assert network.hop_latency == pytest.approx(75e-6, rel=0.02)


def test_a_gather_goes_round_rings():
    """15/16 of the size pass each card, not the half that two nodes lack: 42 of 50 GB/s."""
    text = log(2, [(1024, 1100.0, 0.0, 0.0), (2**30, 2**30 / 44.8 / 1e3, 44.8, 42.0)])
    measured = nccl_tests(text.replace("    sum ", "    none"))

    assert measured.collective == "all_gather"
    network = measured.applied(network_of(asked().instance))
    assert network.efficiency == pytest.approx(0.84, abs=0.005)


OLD = """\
# nThread 1 nGpus 1 minBytes 8 maxBytes 1073741824 step: 2(factor) warmup iters: 5 iters: 100
#
# Using devices
{ranks}
#
#                                                     out-of-place                       in-place
#       size         count    type   redop     time   algbw   busbw  error     time   algbw   busbw
#        (B)    (elements)                     (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
ip-172-31-13-103:9738:9738 [0] NCCL INFO Launch mode Parallel
           8             2   float     sum    161.0    0.00    0.00  2e-07    160.0    0.00    0.00
  1073741824     268435456   float     sum    35215   30.49   57.17  4e-07    35198   30.51   57.20
# Out of bounds values : 0 OK
"""


def test_the_layout_of_2020_is_read():
    """No column for the root, times without a point: `35215` is no root."""
    ranks = "\n".join(
        f"#   Rank {rank:2d} Pid  {rank} on ip-{rank // 8} device  {rank % 8} [0x10] A100-SXM4-40GB"
        for rank in range(16)
    )
    measured = nccl_tests(OLD.format(ranks=ranks))

    assert (measured.nodes, measured.ranks) == (2, 16)
    assert measured.algorithm_bandwidth == 30.49e9
    assert measured.smallest_seconds == pytest.approx(161e-6)


@pytest.mark.parametrize("prefix", ["[1,0]<stdout>:", "0: ", "  [1,0]<stdout>:\t", "worker-0 | "])
def test_what_a_launcher_writes_before_each_line_is_no_matter(prefix: str):
    """Mpirun --tag-output, as every MPIJob has it; srun --label."""
    labelled = "\n".join(prefix + line for line in TWO_NODES.splitlines())

    assert nccl_tests(labelled) == nccl_tests(TWO_NODES)


def test_of_several_tests_in_a_file_the_last_counts():
    """Ranks of two jobs are not those of one."""
    four = log(4, [(2**30, 2**30 / 15.28 / 1e3, 15.28, 29.61)])

    assert nccl_tests(f"{four}\n{TWO_NODES}") == nccl_tests(TWO_NODES)


def network_doubt(found: Plan) -> float:
    """Return the days that the network is in doubt by."""
    return next(d.width for d in uncertainty(found).doubts if d.name == "how fast the network is")


def test_a_slow_network_makes_a_slower_plan_and_narrows_that_doubt():
    """Half the bandwidth is what 2022 had; the plan must follow it."""
    slow = log(4, [(8, 470.0, 0.0, 0.0), (2**30, 86600, 12.4, 24.0)])
    before = plan(asked())
    after = plan(asked(network=nccl_tests(slow)))

    assert after.setup.network.efficiency == pytest.approx(0.48, abs=0.01)
    assert after.outcome.days > before.outcome.days
    # What is left is the run-to-run error of the log, however much of the step the network is.
    assert network_doubt(after) < 2.5 * MEASURED_ERROR * after.outcome.days


def test_a_log_of_one_node_gives_the_bandwidth_of_nvlink():
    """Its bus bandwidth says nothing about the cards."""
    one = nccl_tests(log(1, [(2**30, 8000, 134.0, 234.5)]))
    planner = Planner(asked(network=one))

    assert planner.setup.gpu.link_bandwidth == pytest.approx(234.5e9, rel=0.01)
    assert planner.setup.network.efficiency == network_of(asked().instance).efficiency
    found = plan(asked(network=one))
    (said,) = document(found, uncertainty(found), ())["calibrated_by"]
    assert "234 GB/s between them" in said
    assert "line rate" not in said


def test_what_switches_add_up_is_not_taken_for_what_rings_carry():
    """480 GB/s on one p5 are NVLink SHARP's; gathers of weights get 360."""
    text = log(1, [(2**34, 2**34 / 274.0 / 1e3, 274.0, 479.5)]).replace("A100-SXM4-40GB", "H100")
    asked_of = asked(instance_type="p5.48xlarge", nodes=8, network=nccl_tests(text))
    found = plan(asked_of)

    assert found.setup.gpu.link_bandwidth == 360e9
    (said,) = document(found, uncertainty(found), ())["calibrated_by"]
    assert "480 GB/s went through its switches" in said
    assert "all_gather_perf" in said


def test_a_log_of_another_instance_type_is_refused():
    """p5's 487 GB/s do not fit through p4d's cards."""
    fast = nccl_tests(log(2, [(2**34, 66000, 260.0, 487.0)]))

    with pytest.raises(PlanError, match="has cards for 50"):
        Planner(asked(network=fast))


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_log_of_another_gpu_is_refused_also_where_its_rate_would_do(nodes: int):
    """A p4d log read for p5 would plan with 9 % of the line rate, and with A100's NVLink."""
    bus = 37.4 * 2 * (8 * nodes - 1) / (8 * nodes)
    of_a100 = nccl_tests(log(nodes, [(2**32, 115000, 37.4, bus)]))

    with pytest.raises(PlanError, match=r"NVIDIA A100-SXM4-40GB, p5\.48xlarge has H100 80GB"):
        Planner(asked(instance_type="p5.48xlarge", network=of_a100))
    assert (
        Planner(asked(instance_type="p4de.24xlarge", network=of_a100)).setup.gpu.name == "A100 80GB"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no row of nccl-tests"),
        ("hello\nworld 1 2 3", "no row of nccl-tests"),
        ("\n".join(TWO_NODES.splitlines()[-2:]), "which ranks ran on which host"),
        (log(2, [(2**20, 309.0, 3.4, 6.4)]), "latency is most of the time"),
        (log(2, [(2**30, 9e9, 0.0, 0.0)]), "bandwidth of 0"),
        (log(1, [(2**30, 900, 1193.0, 0.0)], per_node=1), "ran on one GPU"),
        (log(2, [(2**30, 25700, 41.8, 41.8)]), r"1.00 of the algorithm's, where the 16 ranks"),
        ("\n".join(TWO_NODES.splitlines()[:9] + TWO_NODES.splitlines()[17:]), "the 8 ranks"),
        (
            "# Collective test starting: alltoall_perf\n" + log(2, [(2**30, 42950, 25.0, 23.4)]),
            "of alltoall_perf",
        ),
    ],
)
def test_a_file_that_is_no_log_is_refused_with_its_reason(text: str, why: str):
    """A user gives the wrong file now and then."""
    with pytest.raises(MeasurementError, match=why):
        nccl_tests(text)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a metrics file as the training program itself writes it."""
    folder = tmp_path_factory.mktemp("run")
    settings = recipe("gpt-1b").override(
        {"data.global_batch": "16", "data.micro_batch": "16", "data.path": "nowhere"}
    )
    record = Metrics(
        model=settings.model,
        launch=Launch(),
        device=torch.device("cpu"),
        run=RunSettings(steps=40, path=str(folder), peak_tflops=989.4, print_every=1000),
    )
    record.start(asdict(settings), "(1 x 1)", 0)
    for number in range(40):
        seconds = 3.0 if number < 5 else 0.498
        record.step(
            number + 1, loss=6.0, norm=1.0, rate=1e-4, tokens=16 * 2048, seconds=seconds, waited=0
        )
    record.close()
    return (folder / "metrics.jsonl").read_text()


def on(gpu: str, text: str) -> str:
    """Return the same metrics, as if they came from a GPU."""
    lines = [json.loads(line) for line in text.splitlines()]
    lines[0]["gpu"] = gpu
    return "\n".join(map(json.dumps, lines))


def test_a_run_replaces_the_assumed_speed(written: str):
    """The shipped program on an H100 is 1.4 times as fast as the runs of 2023."""
    run = metrics(on("NVIDIA H100 80GB HBM3", written))
    question = asked(instance_type="p5.48xlarge", nodes=16)
    before = plan(question)
    after = plan(asked(instance_type="p5.48xlarge", nodes=16, run=run))
    wide, narrow = uncertainty(before).days, uncertainty(after).days

    assert run.tokens_per_second == pytest.approx(16 * 2048 / 0.498, rel=1e-6)
    assert run.steps == 30
    assert after.outcome.days < before.outcome.days
    assert narrow[1] / narrow[0] < wide[1] / wide[0]


@pytest.mark.parametrize(("steps", "counted"), [(1, 1), (3, 2), (20, 10), (21, 11), (30, 20)])
def test_steps_of_the_warm_up_are_left_out(written: str, steps: int, counted: int):
    """Ten, or half of a short run: they compile, and read their first files."""
    assert metrics("\n".join(written.splitlines()[: 1 + steps])).steps == counted


def test_the_layout_of_a_run_is_that_of_its_settings(written: str):
    start, *steps = (json.loads(line) for line in written.splitlines())
    settings = start["settings"]
    settings["data"] |= {"micro_batch": 2, "global_batch": 64}
    settings["parallel"] |= {"tensor_parallel": 2, "partition_size": 8}
    settings["parallel"] |= {"hierarchical_gather": True, "reshard_after_forward": False}
    settings["numerics"]["checkpoint_every"] = 1
    found = metrics("\n".join(map(json.dumps, [{**start, "gpus": 16}, *steps])))

    wanted = Layout(16, 4, 2, 2, 4, RECOMPUTED, hierarchical=True, reshard=False)
    assert found.layout == wanted
    assert metrics(written).layout == Layout(1, 1, 1, 16, 1, KEPT)
    model = settings["model"]
    assert (found.shape.layers, found.shape.hidden) == (model["layers"], model["width"])


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100 40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB"),
        ("NVIDIA H100 80GB HBM3", "H100 80GB"),
        ("NVIDIA B200", "B200 180GB"),
        ("Tesla T4", None),
    ],
)
def test_a_gpu_is_known_by_what_cuda_calls_it(written: str, name: str, gpu: str | None):
    found = metrics(on(name, written)).gpu()
    assert (found and found.name) == gpu


def test_what_ran_had_the_memory_that_it_needed(written: str):
    """A run that the memory model calls too large is not also called slow for want of memory."""
    planner = Planner(asked(instance_type="p5.48xlarge"))
    gpu, network, stack = planner.setup.gpu, planner.setup.network, planner.setup.stack
    run = replace(metrics(on("NVIDIA H100 80GB HBM3", written)), shape=of_size(1e10))
    plenty = step(Setup(run.shape, gpu, network, replace(stack, shortage=0.0)), run.layout)
    run = replace(run, tokens_per_second=plenty.tokens_per_second)

    assert not plenty.holding.fits
    assert run.factor(gpu, network, stack) == pytest.approx(1)


def test_a_run_on_another_gpu_is_refused(written: str):
    """A speed of H100s says nothing of A100s."""
    run = metrics(on("NVIDIA H100 80GB HBM3", written))

    with pytest.raises(PlanError, match="measure on that GPU"):
        Planner(asked(run=run))


def test_a_run_that_was_killed_is_read_to_its_last_whole_line(written: str):
    """The line that a process was writing when it died is half a line."""
    whole = on("NVIDIA H100 80GB HBM3", written)

    assert metrics(whole + '\n{"time": "2026-11-2') == metrics(whole)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("gpus",), -1, "gpus = -1"),
        (("gpus",), 10**400, "gpus = 1000"),
        (("settings", "model", "heads"), 0, "heads = 0"),
        (("settings", "model", "heads"), 7, "--heads: got 7"),
        (("settings", "model", "width"), float("inf"), "is not JSON"),
        (("settings", "model", "layers"), "x", "layers = x"),
        (("settings", "data", "micro_batch"), 0, "micro_batch = 0"),
        (("settings", "parallel"), None, "have no model or no layout"),
        (("settings", "parallel", "partition_size"), 3, "1 GPUs into groups of 3"),
        (("settings", "numerics", "dtype"), "fp32", "^it ran in fp32; measure a run in bf16"),
        (("settings", "numerics", "checkpoint_every"), 2, "^it recomputed every 2 blocks"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_reason(
    written: str, path: tuple[str, ...], value: object, why: str
):
    """A file that somebody edited, or that another version of the program wrote."""
    lines = [json.loads(line) for line in written.splitlines()]
    place = lines[0]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value

    with pytest.raises(MeasurementError, match=why):
        metrics("\n".join(map(json.dumps, lines)))


@pytest.mark.parametrize("value", ["fast", 10**400, []])
def test_a_step_without_a_rate_is_refused(written: str, value: object):
    """One line in a thousand is enough to make a median wrong."""
    lines = [json.loads(line) for line in written.splitlines()]
    lines[20]["tokens_per_s"] = value

    with pytest.raises(MeasurementError, match=r"line 21 has an invalid number|no finished step"):
        metrics("\n".join(map(json.dumps, lines)))


def test_a_run_that_no_program_makes_so_is_refused(written: str):
    """Metrics of an emulation on CPU cores would stretch the plan to the end of the scale."""
    lines = [json.loads(line) for line in on("NVIDIA H100 80GB HBM3", written).splitlines()]
    for line in lines[1:]:
        line["tokens_per_s"] = 12.5
    run = metrics("\n".join(map(json.dumps, lines)))

    with pytest.raises(PlanError, match="no program computes on 1 H100"):
        Planner(asked(instance_type="p5.48xlarge", run=run))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "event `start`"),
        ("not json", "line 1 is not JSON"),
        ("[1]", "line 1 is not a JSON object"),
        ('{"event": "start", "gpus": 1, "gpu": "x"}', "no finished step"),
        (
            '{"event": "start", "gpus": 1, "gpu": "x"}\n{"event": "step", "tokens_per_s": 5}',
            "have no model",
        ),
    ],
)
def test_a_file_that_is_no_run_is_refused_with_its_reason(text: str, why: str):
    """Half a file, another file, an empty run."""
    with pytest.raises(MeasurementError, match=why):
        metrics(text)
