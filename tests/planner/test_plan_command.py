"""`ultracluster plan`, as somebody types it."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.planner.nccl_log import log
from ultracluster.cli import main
from ultracluster.plan.report import show
from ultracluster.plan.sections import report
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import load

ROOT = Path(__file__).parents[2]
STARCODER = ["plan", "--layers", "40", "--hidden", "6144", "--heads", "48"]
STARCODER += ["--key-value-heads", "1", "--tokens", "1e12", "--nodes", "64", "--tensor", "4"]
FIFTY = ["plan", "--parameters", "50e9", "--tokens", "700e9", "--instance", "p4d.24xlarge"]
SEVEN = ["plan", "--parameters", "7e9", "--tokens", "1e12"]
BLOOMBERG = [
    *("plan", "--layers", "70", "--hidden", "7680", "--heads", "40", "--vocabulary", "131072"),
    *("--sequence", "2048", "--tokens", "569e9", "--nodes", "64"),
]


def planned(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    assert main([*words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_plan_answers_everything_that_is_asked(capsys: pytest.CaptureFixture[str]):
    """A reader in a terminal finds each part, without a stray bracket of markup."""
    assert main([*FIFTY, "--nodes", "64"]) == 0
    out = capsys.readouterr().out

    for words in (
        "days, likely",
        "node-hours",
        "USD, on-demand",
        "partition group",
        "MFU",
        "with recomputation",
        "GPU memory (GiB, 39.4 available)",
        "optimizer (Adam moments)",
        "reduce-scatter of gradients",
        "second hop between groups",
        "Slower layouts",
        "Scaling",
        "does not fit",
        "spare nodes",
        "Lustre",
        "2026-07-20 (B)",
        "no price known",
        "p5.48xlarge",
        "nccl-tests",
        "█",
    ):
        assert words in out, words


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_no_sum_is_cut_in_a_narrow_terminal(columns: int, capsys: pytest.CaptureFixture[str]):
    """`1,475,0...` USD is no answer."""
    document = planned([*FIFTY, "--nodes", "64"], capsys)
    file = io.StringIO()
    show(report(document), Console(file=file, width=columns, legacy_windows=False))
    out = file.getvalue()

    for item in document["cost"][0]["items"]:
        if item["usd_per_day"] >= 1:
            assert f"{item['usd']:,.0f}" in out
    for copied in ("p6-b200.48xlarge", "--calibrate nccl-tests.log", "--calibrate metrics.jsonl"):
        assert copied in out
    assert "…" not in out
    lines = [line for line in out.splitlines() if not line.startswith("- ")]
    assert max(map(len, lines)) <= columns


def test_an_item_without_a_price_is_named_whole(capsys: pytest.CaptureFixture[str]):
    """Its name is what an environment states a price of."""
    block = [*FIFTY, "--nodes", "64", "--purchase", "capacity-block"]
    document = planned(block, capsys)
    file = io.StringIO()
    show(report(document), Console(file=file, width=80, legacy_windows=False))

    assert "no price known: nodes, ec2/p4d.24xlarge/capacity-block" in file.getvalue()


@pytest.mark.parametrize(
    ("option", "begins"), [("--html", "<!doctype html>"), ("--write", '"""49.9 B parameters')]
)
def test_a_dash_is_standard_output(option, begins, capsys: pytest.CaptureFixture[str]):
    """Standard output then holds the document and nothing else."""
    assert main([*FIFTY, "--nodes", "64", option, "-"]) == 0
    captured = capsys.readouterr()

    assert captured.out.startswith(begins)
    assert "GPU memory (GiB" not in captured.out.partition("<body>")[0]
    assert ("quota to ask for" in captured.err) is (option == "--write")


def test_one_document_goes_to_standard_output(capsys: pytest.CaptureFixture[str]):
    """Two after each other are neither."""
    assert main([*FIFTY, "--nodes", "64", "--html", "-", "--format", "json"]) == 2
    assert "--html - and --format json write to standard output" in capsys.readouterr().err


def test_a_chosen_group_is_never_smaller_than_the_smallest_that_is_said_to_fit(
    capsys: pytest.CaptureFixture[str],
):
    """The trillion on H100 is split by tensor parallelism; 512 is the smallest without it."""
    trillion = ["plan", "--parameters", "1e12", "--tokens", "20e12", "--instance", "p5.48xlarge"]
    assert main([*trillion, "--nodes", "512", "--pipeline", "1"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "partition group" in line)

    chosen, least, alone = re.search(
        r"([\d,]+) GPUs, .*; ([\d,]+) is the smallest that fits, ([\d,]+) without tensor", row
    ).groups()  # type: ignore[union-attr]
    assert int(least) <= int(chosen)
    assert alone == "512"


def test_a_run_of_less_than_a_day_is_told_in_hours(capsys: pytest.CaptureFixture[str]):
    """0.0 days, likely 0.0 to 0.0, tells nobody anything."""
    assert (
        main(["plan", "--layers", "7", "--hidden", "1024", "--heads", "8", "--tokens", "1e9"]) == 0
    )
    out = capsys.readouterr().out

    assert re.search(r"time +│ 0\.\d hours, likely 0\.\d to 0\.\d hours", out)
    assert "0.0 days" not in out


def test_json_holds_the_same_plan(capsys: pytest.CaptureFixture[str]):
    """Numbers for other programs: units in the names, sums that sum."""
    found = planned(BLOOMBERG, capsys)

    assert found["layout"]["partition_group_gpus"] == 128
    assert found["machine"]["gpus"] == 512
    assert found["time"]["days_range"][0] < found["time"]["days"] < found["time"]["days_range"][1]
    step = found["step"]
    assert sum(step["spent_seconds"].values()) == pytest.approx(step["seconds"], rel=0.01)
    assert found["layout"]["activations"] == "recomputed"
    assert step["hardware_tflops_per_gpu"] == pytest.approx(step["model_tflops_per_gpu"] * 4 / 3)
    memory = found["memory_gib"]
    assert sum(memory["items"].values()) <= memory["capacity"] * 1.001
    assert list(memory["items"]) == [
        *("parameters (fp32 master)", "gradients", "optimizer (Adam moments)", "activations"),
        *("layer in work", "logits and loss", "gathered weights kept", "layers in flight"),
        "CUDA, NCCL, libraries",
    ]
    cost = found["cost"][0]
    assert cost["usd"] == pytest.approx(sum(item["usd"] for item in cost["items"]))
    assert all(item["price_date"] and item["price_source"] for item in cost["items"])
    sagemaker = next(each for each in found["cost"] if each["purchase"] == "sagemaker")
    assert sagemaker["nodes_price_region"] == "us-west-2"
    hours = found["time"]["days"] * 24 * 64
    assert found["time"]["node_hours"] == pytest.approx(hours)


def test_json_names_the_quotas_to_ask_for(capsys: pytest.CaptureFixture[str]):
    """They take days to be granted; a program that plans must be able to ask."""
    on_ec2 = planned([*FIFTY, "--nodes", "64"], capsys)["quotas_to_ask_for"]
    on_sagemaker = planned([*FIFTY, "--nodes", "64", "--purchase", "sagemaker"], capsys)

    assert any("6,336 vCPU (66 x 96)" in line for line in on_ec2)
    assert any(
        "ml.p4d.24xlarge for training job usage: 66" in line
        for line in on_sagemaker["quotas_to_ask_for"]
    )


def test_a_step_that_mostly_waits_is_said_to(capsys: pytest.CaptureFixture[str]):
    """Falcon's 180 B on 512 p4d was trained with stages, in a quarter of the time without them."""
    falcon = ["plan", "--layers", "80", "--hidden", "14848", "--heads", "232"]
    falcon += ["--key-value-heads", "8", "--tokens", "3.5e12", "--nodes", "512"]
    whole, staged = planned([*falcon, "--pipeline", "1"], capsys), planned(falcon, capsys)

    assert re.search(r"\d\d% of a step waits for the network", " ".join(whole["notes"]))
    assert staged["layout"]["pipeline_stages"] > 1
    assert staged["step"]["tokens_per_second"] > 2 * whole["step"]["tokens_per_second"]


def test_a_batch_that_is_exceeded_names_what_would_keep_it(capsys: pytest.CaptureFixture[str]):
    """Four times the batch is another training, not a faster one."""
    words = [*FIFTY, "--nodes", "1024", "--pipeline", "1"]
    notes = " ".join(planned(words, capsys)["notes"])

    assert "a step holds 16,777,216 tokens, not 4,194,304" in notes
    assert "--tensor 4 keeps the batch" in notes
    kept = planned([*words, "--tensor", "4"], capsys)
    assert kept["layout"]["sequences_per_step"] * 2048 == 4_194_304


def test_two_logs_are_not_silently_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The second would replace the first, and nobody would know which was taken."""
    text = log(2, [(2**30, 2**30 / 41.8 / 1e3, 41.8, 78.3)])
    paths = [tmp_path / name for name in ("one.log", "two.log")]
    for path in paths:
        path.write_text(text)
    words = [word for path in paths for word in ("--calibrate", str(path))]

    assert main([*FIFTY, "--nodes", "64", *words]) == 2
    assert "two.log; a log of nccl-tests was given before it" in capsys.readouterr().err


def test_a_layout_that_is_given_is_kept(capsys: pytest.CaptureFixture[str]):
    """Somebody who has a layout wants to know what it does, not a better one."""
    layout = ["--partition", "64", "--micro-batch", "2", "--activations", "recomputed"]
    found = planned([*FIFTY, "--nodes", "64", *layout], capsys)["layout"]

    assert found["partition_group_gpus"] == 64
    assert found["micro_batch"] == 2
    assert found["tensor_parallel"] in {1, 2, 4}
    assert found["activations"] == "recomputed"


def test_fewer_days_take_more_nodes(capsys: pytest.CaptureFixture[str]):
    """What is solved for is kept."""
    slow, fast = (planned([*SEVEN, "--days", days], capsys) for days in ("60", "20"))

    assert slow["time"]["days"] <= 60
    assert fast["time"]["days"] <= 20
    assert fast["machine"]["nodes"] > slow["machine"]["nodes"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "--parameters", "-5", "--tokens", "1e9"], '--parameters: got "-5"'),
        (["plan", "--parameters", "0", "--tokens", "1e9"], '--parameters: got "0"'),
        (["plan", "--parameters", "1e30", "--tokens", "1e9"], '--parameters: got "1e30"'),
        (["plan", "--parameters", "nan", "--tokens", "1e9"], "a number that is finite"),
        (["plan", "--parameters", "seven", "--tokens", "1e9"], "a number such as"),
        (["plan", "--parameters", "1e6", "--tokens", "1e9"], "a smaller --vocabulary"),
        (["plan", "--tokens", "1e9"], "no model was given"),
        (["plan", "--parameters", "7e9"], "--tokens"),
        (["plan", "--parameters", "7e9", "--tokens", "-1e12"], "--tokens: got -1"),
        (["plan", "--parameters", "7e9", "--tokens", "1e30"], "--tokens: got 1e+30"),
        (
            [*SEVEN, "--instance", "foo"],
            "no such instance type is known; write p4d.24xlarge, p4de.24xlarge, p5.48xlarge",
        ),
        ([*SEVEN, "--instance", "ml.p4d.24xlarge"], "write p4d.24xlarge"),
        ([*SEVEN, "--nodes", "4", "--days", "5", "--budget", "9e6"], 'got "all three"'),
        ([*SEVEN, "--layers", "3"], "--parameters and a shape"),
        (["plan", "--layers", "2", "--hidden", "64", "--tokens", "1e9"], "needs --heads"),
        ([*BLOOMBERG[:5], "--heads", "41", "--tokens", "1e9"], "write 40"),
        ([*SEVEN, "--nodes", "0"], "--nodes: got 0"),
        ([*SEVEN, "--nodes", "-4"], "--nodes: got -4"),
        ([*SEVEN, "--nodes", "1.5"], "a whole number"),
        ([*SEVEN, "--nodes", "1e30"], "--nodes: got 1e+30; write 1 to 32,768 nodes"),
        (
            [*SEVEN, "--vocabulary", "1e308"],
            '--vocabulary: got "1e+308"; write a whole number up to',
        ),
        (
            ["plan", "--parameters", "9e13", "--tokens", "1e12", "--budget", "1e9"],
            "--nodes: no number up to 8,192 is enough; 89,999.8 B parameters need 132.8 GiB",
        ),
        (
            [*SEVEN, "--days", "0.01"],
            "got 0.01; the fastest of up to 8,192 nodes is 8,192 nodes in 0.2 days; write more",
        ),
        ([*SEVEN, "--days", "nan"], "a number that is finite"),
        (
            [*SEVEN, "--budget", "10"],
            "got 10 USD; the cheapest is 1 node for 206,019 USD in 362.2 days; write more, or",
        ),
        ([*SEVEN, "--nodes", "4", "--days", "9"], "--nodes and --days"),
        ([*SEVEN, "--instance", "p9.metal"], "no such instance type"),
        ([*SEVEN, "--instance", "g5.48xlarge"], "the training speed of A10G is not known"),
        ([*SEVEN, "--region", "mars-1"], "not offered there"),
        (
            [*SEVEN, "--software", "x"],
            "write fsdp, compiled, megatron, megatron-core, training, torchtitan or 2022",
        ),
        ([*SEVEN, "--purchase", "x"], "write on-demand"),
        ([*SEVEN, "--failures", "x"], "write opt-175b"),
        ([*SEVEN, "--checkpoint-share", "2"], "--checkpoint-share: got 2"),
        ([*SEVEN, "--calibrate", "/no/such/file"], "No such file"),
        ([*SEVEN, "--calibrate", str(ROOT / "README.md")], "no row of nccl-tests"),
        ([*SEVEN, "--nodes", "4", "--html", "/no/such/folder/x.html"], "--html"),
        ([*SEVEN, "--nodes", "4", "--write", "app.py"], "it exists"),
        ([*SEVEN, "--nodes", "4", "--write", "mine.txt"], "a Python file"),
        (
            # Moments of 8 bytes over 64 GPUs are 116.4 GiB.
            ["plan", "--parameters", "1e12", "--tokens", "1e12", "--nodes", "8"],
            "need 242.3 GiB on each A100 40GB even with one sequence recomputed by 8 tensor-",
        ),
        (
            ["plan", "--parameters", "1e12", "--tokens", "1e12", "--nodes", "8"],
            "tensor-parallel GPUs, 39.4 are available (optimizer (Adam moments) 116.4); write more",
        ),
        (
            ["plan", "--parameters", "9e13", "--tokens", "1e12"],
            "--nodes: no number up to 8,192 is enough; 89,999.8 B parameters need 132.8 GiB",
        ),
        (["plan", "--parameters", "1e12", "--tokens", "1e12", "--nodes", "8"], "write more nodes"),
        (
            ["plan", "--parameters", "1.05e12", "--tokens", "1e12", "--nodes", "64"],
            "write --batch-tokens 131072, one pass a step, which needs 38.4 GiB",
        ),
        (
            ["plan", "--parameters", "1e12", "--tokens", "1e12", "--nodes", "64"],
            "not feasible: 64 nodes train 818 tokens/s, and 1,000,000,000,000 tokens take 41 years",
        ),
        (
            ["plan", "--parameters", "1e12", "--tokens", "1e12", "--nodes", "64"],
            "86% of a step waits for the network; write a larger --batch-tokens, or an --instance",
        ),
        (
            ["plan", "--parameters", "7e9", "--tokens", "1e16", "--nodes", "64"],
            "take 196 years; write more --nodes, fewer --tokens, or a faster --instance",
        ),
        (
            [*SEVEN, "--nodes", "8192", "--failures", "1"],
            "take over 1,000 years; a failure every 0 min leaves 0.00% of the time; write fewer",
        ),
        (
            [*SEVEN, "--nodes", "8192", "--failures", "1"],
            "0.00% of the time; write fewer --nodes or shorter --restart-minutes\n",
        ),
        (
            ["plan", "--parameters", "1e12", "--tokens", "1e12", "--nodes", "2"],
            "one sequence recomputed by 8 tensor-parallel GPUs, 39.4 are available",
        ),
        ([*SEVEN, "--nodes", "64", "--pipeline", "999"], "--pipeline: got 999; write 1 to"),
        (
            [*SEVEN, "--nodes", "64", "--pipeline", "16", "--batch-tokens", "65536"],
            "16 stages of 512 GPUs take 1,048,576 tokens a step at least, and --batch-tokens is",
        ),
        ([*SEVEN, "--experts", "8"], '--experts: got "8"; a mixture of experts needs a shape'),
        (
            [*BLOOMBERG, "--experts", "8"],
            "--experts-per-token: got 0; write a whole number from 1 to 8",
        ),
        (
            [*SEVEN, "--sequence", "16777216"],
            "by 8 tensor-parallel GPUs and 4 stages and 8 ranks that share its tokens, 39.4 are",
        ),
        ([*SEVEN, "--no-such-option"], "unrecognized"),
        ([*SEVEN, "--software", "compiled"], "measured on H100 alone"),
        ([*SEVEN, "--partition", "0"], "--partition: got 0"),
        ([*SEVEN, "--nodes", "3", "--partition", "7"], "--partition: got 7; 24 GPUs cannot be"),
        ([*SEVEN, "--nodes", "3", "--partition", "7"], "write 1, 2, 4, 8 or 24"),
        ([*SEVEN, "--partition", "3"], "--partition: got 3"),
        ([*SEVEN, "--tensor", "3"], "--tensor: got 3; a tensor degree must divide"),
        ([*STARCODER, "--software", "torchtitan"], "the GPUs of a node; write 1"),
        ([*SEVEN, "--fp8"], "A100 40GB cannot multiply in 8 bits; leave --fp8 out"),
        ([*SEVEN, "--micro-batch", "999"], "--micro-batch: got 999; nothing fits with it"),
        ([*SEVEN, "--expert-parallel", "8"], "got 8; it can only be 1; leave it out"),
        (
            [
                *("plan", "--parameters", "20e9", "--tokens", "1e12"),
                *("--sequence", "1048576", "--nodes", "4"),
            ],
            "recomputed by 4 tensor-parallel GPUs and 8 ranks that share its tokens",
        ),
        ([*SEVEN, "--partition", "1", "--tensor", "1"], "--partition and --tensor: got 1 and 1"),
        (
            ["plan", "--parameters", "9e13", "--tokens", "1e12", "--nodes", "32768"],
            "write a shorter",
        ),
        ([*SEVEN, "--instance", "p6e-gb200.36xlarge"], "no Region is known that offers it"),
        ([*SEVEN, "--instance", "p6e-gb200.36xlarge", "--purchase", "sagemaker"], "write p6-b200"),
        (
            [
                *SEVEN,
                *("--instance", "p5e.48xlarge", "--region", "us-east-2", "--nodes", "3"),
                *("--write", "/no/such/folder/mine.py"),
            ],
            "no price of p5e.48xlarge by on-demand in us-east-2 is known",
        ),
        ([*SEVEN, "--activations", "x"], "write kept, selective or recomputed"),
    ],
)
def test_nonsense_gets_one_clear_line(words, said, capsys: pytest.CaptureFixture[str]):
    """What was given, why it cannot be, what to write instead; exit code 2 and no trace."""
    try:
        status: object = main(words)
    except SystemExit as end:
        status = end.code

    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("ERROR ")
    assert said in captured.err


@pytest.mark.parametrize(
    "words",
    [
        [*FIFTY, "--nodes", "64"],
        ["plan", "--parameters", "1e12", "--tokens", "1e12", "--nodes", "512", "--pipeline", "1"],
        [
            *("plan", "--layers", "128", "--hidden", "25600", "--heads", "160"),
            *("--tokens", "6e11", "--nodes", "512"),
        ],
        [*SEVEN, "--nodes", "2", "--instance", "p5.48xlarge", "--purchase", "capacity-block"],
        [*SEVEN, "--nodes", "16", "--purchase", "sagemaker"],
        [*SEVEN, "--nodes", "1", "--region", "us-west-2"],
    ],
    ids=["reserved", "tensor-parallel", "pipeline", "capacity-block", "sagemaker", "one-node"],
)
def test_the_environment_that_is_written_works(words, tmp_path, capsys):
    """It loads as any environment does, and is as ruff would have it."""
    path = tmp_path / "my_model.py"
    assert main([*words, "--write", str(path)]) == 0
    out = capsys.readouterr().out

    (environment,) = load(path, EnvironmentSpec)
    assert isinstance(environment, EnvironmentSpec)
    assert environment.name == "my-model"
    assert "quota to ask for" in out
    text = path.read_text()
    assert re.search(r"^PARTITION_GROUP = \d+$", text, re.MULTILINE)
    assert ("PIPELINE_STAGES = " in text) is ("25600" in words)
    for ruff in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        # As a file of the repository's environments it must pass the repository's rules.
        given = ["--stdin-filename", "environments/my_model.py", "-"]
        command = [sys.executable, "-m", "ruff", *ruff, *given]
        done = subprocess.run(
            command, input=text, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_is_one_file_with_its_pictures(tmp_path, capsys):
    """It can be mailed: nothing is fetched, and both themes have their colours."""
    path = tmp_path / "plan.html"
    assert main([*FIFTY, "--nodes", "64", "--html", str(path)]) == 0
    capsys.readouterr()
    text = path.read_text()

    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"(src|href)=|@import|url\(|<script", text)
    (curve,) = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    root = ET.fromstring(curve)  # noqa: S314 - our own page
    assert root.get("aria-label")
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    for dot in root.iter("circle"):
        assert 0 <= float(dot.attrib["cx"]) <= width
        assert 0 <= float(dot.attrib["cy"]) <= height
    assert len(re.findall(r'<div class=bars role=img aria-label="[^"]+"', text)) == 2
    shares = [float(share) for share in re.findall(r"(?:width|left):([\d.]+)%", text)]
    assert len(shares) > 40
    assert all(0 <= share <= 100 for share in shares)


def test_planning_loads_neither_pydantic_nor_aws():
    """A plan is asked for again and again; importing must not take longer than planning."""
    lines = (
        "import sys",
        "from ultracluster.cli import main",
        f"main({[*SEVEN, '--nodes', '8', '--format', 'json']!r})",
        "heavy = {'pydantic', 'boto3', 'aws_cdk', 'numpy', 'scipy', 'torch'} & set(sys.modules)",
        "sys.exit(f'loaded {heavy}' if heavy else 0)",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
