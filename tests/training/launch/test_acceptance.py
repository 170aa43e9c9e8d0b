"""What logs of nccl-tests are accepted: floors that physics allows, and that a fault misses."""

import pytest

from training.launch.acceptance import GIB, MIB, ceiling, floors, judge, main
from training.launch.groups import judge_groups
from training.launch.instances import Instance, instance
from training.launch.nccl_log import read

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
    verdict = judge(log({**PUBLISHED, 512 * MIB: 70.0}, nodes=2), "p4d.24xlarge", 2)
    assert verdict.status == 0
    assert any("64.3 GB/s bus bandwidth, at least 60.0" in line for line in verdict.lines)
    # Of other sizes nothing is known, and the smaller ones wait more than they move.
    assert [line.partition(":")[0] for line in verdict.lines] == ["128 MiB", "1 GiB", "2 GiB"]


def test_a_run_of_no_node_is_a_mistake():
    """It has a floor of its own otherwise."""
    verdict = judge(log(PUBLISHED), "p4d.24xlarge", 0)
    assert (verdict.status, "a run has at least one node" in verdict.lines[0]) == (2, True)


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
        (log({8: 0.0, MIB: 6.0}), "the log has no 1 GiB (it ends at 1,048,576 bytes)"),
    ],
)
def test_a_log_that_shows_nothing_is_a_mistake(text, said):
    """2, so that a script does not take a crash for a slow network."""
    verdict = judge(text, "p4d.24xlarge", 2)
    assert verdict.status == 2
    assert said in verdict.lines[-1]


@pytest.mark.parametrize("name", ["\x1b[2K\x1b]0;x\x07", "a\x9b31m", "b\u202ec"])
def test_no_host_writes_on_the_terminal_of_who_judges(name, tmp_path, capsys):
    """The name is of a node, or of whoever wrote the log."""
    file = tmp_path / "nccl.log"
    texts = (
        f"{name}: Test NCCL failure {name}\r{name}",
        log(PUBLISHED, nodes=3).replace("ip", name),
    )
    for text in texts:
        file.write_text(text)
        assert main([str(file)], "p4d.24xlarge", 2) == 2
        assert not set(name) - set(" abc[]0;x2K31m") & set(capsys.readouterr().err)


@pytest.mark.parametrize(
    "text", ["\n" * 300_000, "error NCCL " * 100_000, "Rank " * 200_000, "# Rank " + "1" * 300_000]
)
def test_a_log_of_a_line_or_of_many_ends(text):
    """Each took minutes or for ever."""
    assert judge(text, "p4d.24xlarge", 2).status == 2


def test_what_never_ends_is_no_log(monkeypatch, capsys):
    monkeypatch.setattr("training.launch.acceptance.MOST_BYTES", 10_000)
    assert main(["/dev/zero"], "p4d.24xlarge", 2) == 2
    assert "/dev/zero: it has more than" in capsys.readouterr().err


def test_types_without_a_known_floor_say_so():
    """Nothing is guessed."""
    for kind in ("g5.48xlarge", "trn1.32xlarge", "m5.large", "nonsense"):
        assert judge(log(PUBLISHED), kind, 2).status == 2


@pytest.mark.parametrize("prefix", ["0: ", "[1,0]<stdout>:", "[0] ", ""])
def test_lines_that_a_launcher_tagged_are_read(prefix):
    """Such as srun -l and mpirun --tag-output."""
    assert [row.size for row in read(log(PUBLISHED, prefix=prefix)).rows] == list(PUBLISHED)


def test_wide_numbers_and_per_iteration_columns_are_read():
    """nccl-tests writes 1e+05 where a number is too wide, and eight columns a side if asked."""
    wide = "  1073741824  268435456  float  sum  -1  3e+04  40.9  76.8  0  3e+04  41  76.9  0"
    assert read(wide).rows[0].busbw == 76.9
    each = " 1 2 3 4"
    told = (
        "# size time algbw busbw #wrong i_min i_max i_p99 i_cv% time\n"
        f" 1073741824 268435456 float sum -1 9 40.9 76.8 0{each} 9 41 76.9 2{each}\n"
    )
    assert (read(told).rows[0].busbw, read(told).rows[0].wrong) == (76.9, 2)


def test_the_command_reads_a_file_and_standard_input(tmp_path, capsys):
    """What a job script calls."""
    path = tmp_path / "nccl.log"
    path.write_text(log(PUBLISHED))
    assert main([str(path)], "p4d.24xlarge", 2) == 0
    assert capsys.readouterr().out.startswith("sound: 128 MiB")
    assert main([str(tmp_path / "none")], "p4d.24xlarge", 2) == 2
    assert "No such file" in capsys.readouterr().err


def test_instances_without_gpus_have_no_ceiling_of_nan():
    """A made-up type keeps the arithmetic honest."""
    assert ceiling(Instance("x", 1, 1, 80.0), 2) == pytest.approx(10.0)


EKS = """\
[1,0]<stdout>:#   Rank  0 Pid     26 on nccl-tests-efa-worker-0 device  0 [0x10] A100-SXM4-40GB
[1,0]<stdout>:#       size         count    type   redop     time   algbw   busbw  error     time   algbw   busbw  error
[1,0]<stdout>:#        (B)    (elements)                     (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
[1,0]<stdout>:           8             2   float     sum    167.5    0.00    0.00  2e-07    167.1    0.00    0.00  1e-07
[1,0]<stdout>:   134217728      33554432   float     sum   9388.6   14.30   26.80  5e-07   9343.3   14.37   26.93  5e-07
[1,0]<stdout>:   268435456      67108864   float     sum    16865   15.92   29.84  5e-07    16853   15.93   29.86  5e-07
[1,0]<stdout>:  1073741824     268435456   float     sum    61556   17.44   32.71  5e-07    61303   17.52   32.84  5e-07
[1,0]<stdout>:# Out of bounds values : 0 OK
"""  # noqa: E501 - lines of aws-samples/aws-efa-eks, README.md at 043dbe74


def test_the_public_log_without_a_root_column_is_read_and_is_slow():
    """Its error column is a deviation and no count; its 32.8 GB/s are of 2021."""
    found = read(EKS)
    assert [row.busbw for row in found.rows] == [0.0, 26.93, 29.86, 32.84]
    assert sum(row.wrong for row in found.rows) == 0
    verdict = judge(EKS.split("\n", 1)[1], "p4d.24xlarge", 2)
    assert verdict.status == 1
    assert "1 GiB: 32.8 GB/s bus bandwidth, LESS THAN 70.0" in verdict.lines[-1]
    broken = EKS.split("\n", 1)[1].replace("0 OK", "12 FAILED")
    assert "12 results are wrong" in judge(broken, "p4d.24xlarge", 2).lines[0]


def of(text: str, factor: float, redop: str = "sum") -> str:
    """Return a log of another collective: its busbw is algbw times another factor."""
    lines = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 13 and words[0].isdigit():
            words[3] = redop
            for at in (6, 10):
                words[at] = f"{float(words[at + 1]) / factor:.2f}"
        lines.append(" ".join(words))
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("factor", "redop", "nodes"),
    [(15 / 16, "none", 2), (15 / 16, "sum", 2), (1.0, "none", 2), (63 / 64, "sum", 8)],
)
def test_another_collective_is_not_taken_for_an_all_reduce(factor, redop, nodes):
    """Its figures say which it is, where its heading does not."""
    fast = dict.fromkeys((GIB, 8 * GIB), 48.0 if nodes > 2 else 80.0)
    assert judge(log(fast), "p4d.24xlarge", nodes).status == 0
    verdict = judge(of(log(fast), factor, redop), "p4d.24xlarge", nodes)
    assert verdict.status == 2
    assert "run all_reduce_perf" in verdict.lines[0]


def test_a_heading_that_names_the_collective_is_believed():
    named = "# Collective test starting: all_gather_perf\n" + log(PUBLISHED)
    assert judge(named, "p4d.24xlarge", 2).status == 2


@pytest.mark.parametrize("heading", ["", "# Collective test starting: {}_perf\n"])
def test_another_collective_in_the_same_log_hides_no_slow_all_reduce(heading):
    """A job that ran several tests: the best of all of them would be judged."""
    slow, fast = log(dict.fromkeys(PUBLISHED, 30.0)), of(log(PUBLISHED), 15 / 16)
    both = heading.format("all_reduce") + slow + heading.format("reduce_scatter") + fast
    verdict = judge(both, "p4d.24xlarge", 2)
    assert verdict.status == 2
    assert "all_reduce and reduce_scatter" in verdict.lines[0]


@pytest.mark.parametrize(
    "kind", ["p4d.24xlarge", "p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge"]
)
@pytest.mark.parametrize("nodes", [17, 64, 512])
def test_a_third_of_the_line_rate_is_never_sound(kind, nodes):
    """16.4 GB/s on 512 P4d nodes were, once: the floor had been a ring's latency at 1 GiB."""
    known = instance(kind)
    assert known is not None
    third = ceiling(known, nodes) / 3
    sizes = (GIB, 8 * GIB)
    assert judge(log(dict.fromkeys(sizes, third)), kind, nodes).status == 1
    assert judge(log(dict.fromkeys(sizes, 0.85 * 3 * third)), kind, nodes).status == 0
    short = judge(log({GIB: 0.85 * 3 * third}), kind, nodes)
    assert short.status == 2
    assert "the log has no 8 GiB" in short.lines[0]


def test_sizes_that_were_not_asked_for_are_judged_by_the_floor_below_them():
    """-f 4, or -e 16G: whatever is there above a floor's size must reach it."""
    assert judge(log({8: 0.0, 2 * GIB: 78.0}), "p4d.24xlarge", 2).status == 0
    assert judge(log({8: 0.0, 2 * GIB: 60.0}), "p4d.24xlarge", 2).status == 1
    assert judge(log({8 * GIB: 78.0, 16 * GIB: 50.0}), "p4d.24xlarge", 2).status == 1


def group(hosts: tuple[str, ...], busbw: float) -> str:
    members = "".join(
        f"#  Rank {8 * node + gpu} Group 0 Pid {gpu} on {host} device {gpu} [0x10] A100\n"
        for node, host in enumerate(hosts)
        for gpu in range(8)
    )
    return log(dict.fromkeys((GIB, 8 * GIB), busbw)) + members


def rounds(bandwidth, names="abcdef") -> dict[str, str]:
    """Return logs of two rounds of pairs: each node with the one before and the one after."""
    pairs = [(names[i], names[(i + 1) % len(names)]) for i in range(len(names))]
    return {f"{a}{b}.log": group((a, b), bandwidth(a, b)) for a, b in pairs}


@pytest.mark.parametrize(("slow", "status"), [(40.0, 1), (73.0, 1)])
def test_the_node_that_slows_its_pairs_is_named(slow, status):
    """Below the floor, or above it and far below what the others have."""
    logs = rounds(lambda a, b: slow if "c" in (a, b) else 82.0 + 0.2 * ord(a) % 1)
    verdict = judge_groups(logs, "p4d.24xlarge", 2)
    assert verdict.status == status
    assert verdict.nodes == ("c",)
    assert any(line.startswith("c is at fault") for line in verdict.lines)


def test_two_bad_nodes_are_both_named_and_sound_ones_are_not():
    logs = rounds(lambda a, b: 40.0 if {"b", "e"} & {a, b} else 82.0, "abcdefgh")
    assert judge_groups(logs, "p4d.24xlarge", 2).nodes == ("b", "e")


def test_one_round_leaves_a_pair_open_and_says_what_to_do():
    pairs = [("a", "b"), ("c", "d"), ("e", "f")]
    logs = {f"{a}{b}": group((a, b), 40.0 if a == "c" else 82.0) for a, b in pairs}
    verdict = judge_groups(logs, "p4d.24xlarge", 2)
    assert (verdict.status, verdict.nodes) == (1, ())
    assert "c or d is at fault; measure each with a node that is sound" in verdict.lines


def test_sound_groups_are_sound_whatever_their_spread():
    logs = rounds(lambda a, _: 80.0 + 3.0 * (ord(a) % 3))
    assert judge_groups(logs, "p4d.24xlarge", 2).status == 0


def test_blocks_of_nodes_are_compared_as_pairs_are():
    blocks = ["abcd", "efgh", "aceg", "bdfh", "abgh"]
    logs = {b: group(tuple(b), 40.0 if "f" in b else 57.0) for b in blocks}
    assert judge_groups(logs, "p4d.24xlarge", 4).nodes == ("f",)


def test_a_group_that_shows_nothing_is_no_sound_one():
    logs = {**rounds(lambda *_: 82.0), "ag.log": "srun: error: node g: not responding"}
    verdict = judge_groups(logs, "p4d.24xlarge", 2)
    assert verdict.status == 2
    assert "ag.log: the log has no line of nccl-tests" in verdict.lines[0]


SLOW = dict.fromkeys(PUBLISHED, 30.0)


@pytest.mark.parametrize("values", [(PUBLISHED, SLOW), (SLOW, PUBLISHED)])
def test_of_several_runs_in_a_log_the_slowest_counts(values):
    """A log that is appended to holds the night before, too: one of them is no excuse."""
    text = "".join(log(each, nodes=2) for each in values)
    assert judge(text, "p4d.24xlarge", 2).status == 1
    assert judge(log(PUBLISHED) + log(PUBLISHED), "p4d.24xlarge", 2).status == 0


@pytest.mark.parametrize(
    "prefix",
    [
        "\x1b[32m",
        "Fri Nov 27 00:01:02 2026[1,3]<stdout>:",
        "2026-11-27T00:01:02.123456Z ",
        "nccl-tests-launcher-x7k2p: ",
    ],
)
def test_what_stands_before_a_line_does_not_hide_it(prefix):
    """Kubernetes and mpirun write the time and a name there: no run ended before it measured."""
    lines = log(PUBLISHED, nodes=2).splitlines()
    text = "\n".join(f"{prefix}{line}\x1b[0m" for line in lines)
    assert judge(text, "p4d.24xlarge", 2) == judge("\n".join(lines), "p4d.24xlarge", 2)


def test_a_line_that_was_cut_says_nothing():
    """Half of its second side was taken for a first one of 0 GB/s."""
    text = log(PUBLISHED, nodes=2)
    for cut in range(1, 70):
        assert judge(text[:-cut], "p4d.24xlarge", 2).status == 0


def test_a_log_without_operation_is_of_another_collective():
    """Older all_gather_perf has no such column; it did measure."""
    text = log(PUBLISHED).replace("     sum      -1", "")
    assert "all_gather" in judge(text, "p4d.24xlarge", 2).lines[0]
