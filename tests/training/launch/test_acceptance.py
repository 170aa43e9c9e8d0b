"""What logs of nccl-tests are accepted: floors that physics allows, and that a fault misses."""

import pytest

from training.launch.acceptance import GIB, MIB, ceiling, floors, judge, main, measured
from training.launch.instances import Instance, instance

HEADER = """\
# nThread 1 nGpus 1 minBytes 8 maxBytes 2147483648 step: 2(factor) warmup iters: 5 iters: 20
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
"""  # noqa: E501 - as nccl-tests writes it
# Bus bandwidths of two p4de nodes as awslabs/awsome-distributed-ai publishes them.
PUBLISHED = {8: 0.0, MIB: 6.4, 128 * MIB: 64.3, GIB: 76.8, 2 * GIB: 78.3}


def log(values: dict[int, float], *, prefix: str = "", wrong: int = 0, nodes: int = 0) -> str:
    members = "".join(
        f"#  Rank {rank:2d} Group  0 Pid {100 + rank:6d} on ip-10-0-0-{rank // 8} "
        f"device {rank % 8} [0x10] NVIDIA A100-SXM4-40GB\n"
        for rank in range(nodes * 8)
    )
    rows = "".join(
        f"{prefix}{size:12d}  {size // 4:12d}  {'float':>8}  {'sum':>6}  {-1:6d}  {161.2:7.2f}  "
        f"{bw / 1.875:6.2f}  {bw:6.2f}  {wrong:6g}  {161.2:7.2f}  {bw / 1.875:6.2f}  "
        f"{bw:6.2f}    N/A\n"
        for size, bw in values.items()
    )
    return HEADER + members + rows


def test_the_published_run_of_a_sound_network_passes():
    """A floor of 300 GB/s, as a widely copied health check has it, would refuse this."""
    verdict = judge(log(PUBLISHED, nodes=2), "p4d.24xlarge", 2)
    assert verdict.status == 0
    assert any("64.3 GB/s bus bandwidth, at least 60.0" in line for line in verdict.lines)


@pytest.mark.parametrize("size", [128 * MIB, GIB])
def test_one_slow_size_fails(size):
    """Half the bandwidth is one lost card or GPUDirect off."""
    verdict = judge(log({**PUBLISHED, size: PUBLISHED[size] / 2}), "ml.p4d.24xlarge", 2)
    assert verdict.status == 1
    assert sum("LESS THAN" in line for line in verdict.lines) == 1


@pytest.mark.parametrize("kind", ["p4d.24xlarge", "p4de.24xlarge", "p5.48xlarge"])
@pytest.mark.parametrize("nodes", [2, 3, 4, 8, 16, 64, 128, 512])
def test_no_floor_lies_above_what_the_cards_can_move(kind, nodes):
    """A check that can never pass is switched off, and then checks nothing."""
    known = instance(kind)
    assert known is not None
    wanted = floors(known, nodes)
    assert wanted
    assert all(0 < floor < 0.9 * ceiling(known, nodes) for floor in wanted.values())


def test_ceilings_are_the_known_ones():
    """93.75 GB/s for two P4d nodes, and the rate of the cards for many."""
    p4d = instance("p4d.24xlarge")
    assert p4d is not None
    assert ceiling(p4d, 2) == pytest.approx(93.75)
    assert ceiling(p4d, 4096) == pytest.approx(50, rel=1e-3)


def test_many_nodes_are_judged_by_their_own_ceiling():
    """42 GB/s is sound for a ring over many nodes, and far too slow for two."""
    many = {128 * MIB: 25.0, GIB: 42.0}
    assert judge(log(many), "p4d.24xlarge", 16).status == 0
    assert judge(log(many), "p4d.24xlarge", 2).status == 1


def test_one_node_is_judged_by_nvlink():
    """230 GB/s was measured inside a node; a link that is down shows."""
    assert judge(log({GIB: 230.8}), "p4d.24xlarge", 1).status == 0
    assert judge(log({GIB: 120.0}), "p4d.24xlarge", 1).status == 1


def test_wrong_results_fail_whatever_the_bandwidth():
    """A fast network that corrupts is the worst of all."""
    verdict = judge(log(PUBLISHED, wrong=3), "p4d.24xlarge", 2)
    assert verdict.status == 1
    assert "15 results are wrong" in verdict.lines[0]


def test_a_run_over_tcp_fails_in_words():
    """Its bandwidth alone would say only that something is slow."""
    text = log(dict.fromkeys(PUBLISHED, 1.2)) + "node:1:1 [0] NCCL INFO Using network Socket\n"
    verdict = judge(text, "p4d.24xlarge", 2)
    assert verdict.status == 1
    assert "TCP sockets" in verdict.lines[0]


def test_a_run_of_another_size_is_not_judged():
    """A log of one node passes as two otherwise; so does one of other instances."""
    assert "run one rank for each" in judge(log(PUBLISHED, nodes=1), "p4d.24xlarge", 2).lines[0]
    fast = judge(log(dict.fromkeys(PUBLISHED, 230.8)), "p4d.24xlarge", 2)
    assert fast.status == 2
    assert "more than 2 nodes of p4d.24xlarge can move" in fast.lines[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no line of nccl-tests"),
        ("n1: Test NCCL failure all_reduce.cu:44 'unhandled system error'", "Test NCCL failure"),
        (log({8: 0.0, MIB: 6.0}), "the log has no 128 MiB"),
    ],
)
def test_a_log_that_shows_nothing_is_a_mistake(text, said):
    """2, so that a script does not take a crash for a slow network."""
    verdict = judge(text, "p4d.24xlarge", 2)
    assert verdict.status == 2
    assert said in verdict.lines[-1]


def test_types_without_a_known_floor_say_so():
    """Nothing is guessed."""
    for kind in ("p5en.48xlarge", "trn1.32xlarge", "m5.large", "nonsense"):
        assert judge(log(PUBLISHED), kind, 2).status == 2


@pytest.mark.parametrize("prefix", ["0: ", "[1,0]<stdout>:", "[0] ", ""])
def test_lines_that_a_launcher_tagged_are_read(prefix):
    """Such as srun -l and mpirun --tag-output."""
    assert [row.size for row in measured(log(PUBLISHED, prefix=prefix))] == list(PUBLISHED)


def test_wide_numbers_and_per_iteration_columns_are_read():
    """nccl-tests writes 1e+05 where a number is too wide, and eight columns a side if asked."""
    wide = "  1073741824  268435456  float  sum  -1  3e+04  40.9  76.8  0  3e+04  41  76.9  0"
    assert measured(wide)[0].busbw == 76.9
    each = " 1 2 3 4"
    told = (
        "# size time algbw busbw #wrong i_min i_max i_p99 i_cv% time\n"
        f" 1073741824 268435456 float sum -1 9 40.9 76.8 0{each} 9 41 76.9 2{each}\n"
    )
    assert (measured(told)[0].busbw, measured(told)[0].wrong) == (76.9, 2)


def test_the_command_reads_a_file_and_standard_input(tmp_path, capsys):
    """What a job script calls."""
    path = tmp_path / "nccl.log"
    path.write_text(log(PUBLISHED))
    assert main(str(path), "p4d.24xlarge", 2) == 0
    assert capsys.readouterr().out.startswith("sound: 128 MiB")
    assert main(str(tmp_path / "none"), "p4d.24xlarge", 2) == 2
    assert "No such file" in capsys.readouterr().err


def test_instances_without_gpus_have_no_ceiling_of_nan():
    """A made-up type keeps the arithmetic honest."""
    assert ceiling(Instance("x", 1, 1, 80.0), 2) == pytest.approx(10.0)
