"""Files that somebody made to hurt, as strategies: samples, mutated.

Every kind of file that a command reads has a sample; a mutation takes one apart where it hurts.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from hypothesis import strategies as st

from ultracluster.prometheus import Prometheus
from ultracluster.train.deployed import Deployed

ROOT = Path(__file__).parents[2]
FOREIGN = ROOT / "tests" / "review" / "foreign.yaml"
LOG = """\
# nThread 1 nGpus 1 minBytes 8 maxBytes 8589934592 step: 2(factor) warmup iters: 5 iters: 20
#  Rank  0 Group  0 Pid  1 on  host1 device  0 [0x10] NVIDIA A100-SXM4-40GB
#  Rank  1 Group  0 Pid  2 on  host2 device  0 [0x10] NVIDIA A100-SXM4-40GB
           8             2     float     sum      -1    20.1    0.00    0.00      0
  1073741824     268435456     float     sum      -1   107374   10.00   10.00      0
"""
SCRIPT = """\
#!/bin/bash
#SBATCH --nodes=4 --export=ALL,NCCL_DEBUG=INFO
export FI_PROVIDER=efa A="b c" D=${A:-x}
cat <<EOF >> /etc/nccl.conf
NCCL_PROTO=simple
EOF
srun --export=ALL,NCCL_NET=Socket docker run -e B=$(hostname) image sh -c 'export C=d' \\
  python train.py  # comment
"""
DOCKERFILE = """\
ARG BASE=nvcr.io/nvidia/pytorch:26.01
FROM ${BASE} AS base
ENV NCCL_DEBUG=INFO FI_PROVIDER="efa" \\
    A='b c'
RUN echo export NCCL_PROTO=simple >> /etc/environment
FROM base
ENV B ${A} more
"""
REQUESTS = """\
TrainingJobName: a
AlgorithmSpecification: &m
  TrainingImage: !Sub "x"
  MetricDefinitions: [{<<: [{Name: b}, {Regex: c}]}]
Environment: {NCCL_DEBUG: INFO}
---
TrainingJobName: b
AlgorithmSpecification: *m
"""
METRICS = "\n".join(
    json.dumps(each)
    for each in (
        {"event": "start", "gpus": 8, "gpu": "NVIDIA A100-SXM4-40GB", "settings": {
            "model": {"layers": 2, "width": 64, "heads": 4, "vocabulary": 100, "sequence": 8},
            "data": {"micro_batch": 1, "global_batch": 8},
            "parallel": {"partition_size": 8, "tensor_parallel": 1},
            "numerics": {"dtype": "bf16", "checkpoint_every": 0}}},
        *({"event": "step", "tokens_per_s": 1000, "memory_gib": 3} for _ in range(4)),
    )
)  # fmt: skip
REQUEST = json.dumps(
    {
        "TrainingJobName": "a",
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/a:1",
            "TrainingInputMode": "File",
        },
        "RoleArn": "arn:aws:iam::123456789012:role/a",
        "OutputDataConfig": {"S3OutputPath": "s3://a/b"},
        "ResourceConfig": {
            "InstanceType": "ml.p4d.24xlarge",
            "InstanceCount": 2,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "Environment": {"NCCL_DEBUG": "INFO"},
        "HyperParameters": {"settings": '{"parallel.partition_size": "8"}'},
    },
    indent=1,
)


@cache
def _golden(name: str) -> str:
    return (ROOT / "golden" / "dev" / f"{name}.template.json").read_text()


DELIVERY = """\
{"environment": "dev", "account": "123456789012", "region": "us-east-1", "stacks": [
 {"name": "dev-Network", "change_set": "arn:a", "template": "0", "changed": "2026", "changes": [
  {"action": "Modify", "logical_id": "A", "resource_type": "B", "replacement": "True"}]}]}
"""
RECIPE = """\
name: mine
model: {layers: 24, width: 2048, heads: 16}
data: {global_batch: 256, micro_batch: 8}
steps: 200
nodes: 2
partition_size: 8
engine: {spec: TorchrunEngine, base: gpt-1b, settings: [[optimizer.learning_rate, "1e-4"]]}
checkpoint: {every_steps: 50}
limits: {max_runtime_seconds: 7200, max_pending_seconds: 3600}
"""
SACCT = "ada|lab|train|COMPLETED|3|864000|0\nbob|lab|train|NODE_FAIL|1|360000|80000\n"
SQUEUE = "".join(
    f"JobId={n} JobState=RUNNING NumNodes=2 UserId=ada JobName=dev-{n}\n" for n in (7, 8)
)
SERIES = json.dumps(
    {"data": {"result": [
        {"metric": {"job_id": f"{n}", "user": "ada", "node": "n1", "slurm_node": "n1"},
         "value": [0, "1"], "values": [[0, "1"], [15, "2.5"], [30, "NaN"]]} for n in (7, 8)
    ]}}
)  # fmt: skip


@contextmanager
def on_login_node(text: str) -> Iterator[None]:
    """Let a login node answer everything with a text."""
    values = {"slurm-queue": "q", "instance-type": "p4d.24xlarge"}
    jobs = SimpleNamespace(cloud=None, deployed=Deployed("dev", "us-east-1", values))
    with (
        mock.patch("ultracluster.train.slurm_jobs.LoginNode.run", return_value=text),
        mock.patch("ultracluster.train.actions.jobs_of", return_value=jobs),
        mock.patch("ultracluster.waste.command.Account"),
    ):
        yield


@contextmanager
def in_prometheus(text: str) -> Iterator[None]:
    """Let a text be what a Prometheus answers."""
    asked = Prometheus("made up", lambda _: text.encode("utf-8", "surrogatepass"))
    with (
        on_login_node(SACCT),
        mock.patch("ultracluster.waste.command.source", return_value=asked),
        mock.patch("ultracluster.dashboards.command.source", return_value=asked),
    ):
        yield


@dataclass(frozen=True)
class Kind:
    """One kind of file or of answer, and the commands that read it."""

    name: str
    sample: Callable[[], str]
    commands: tuple[tuple[str, ...], ...]
    """Words of a command line; `FILE` stands for the file."""
    answers: Callable[[str], AbstractContextManager[object]] = nullcontext
    """Lets the text be an answer where it is no file."""


AUDIT = (("audit", "FILE", "--show-unknown"), ("audit", "FILE", "--format", "sarif"))
REVIEW = (
    ("review", "FILE", "--format", "md,json,html", "--output", "FOLDER", "--baseline", "none"),
    ("review", "FILE", "--format", "html,svg", "--output", "FOLDER", "--baseline", "BEFORE"),
)
PLAN = (("plan", "--parameters", "1B", "--tokens", "1e9", "--nodes", "2", "--calibrate", "FILE"),)
WASTE = (("waste", "ultracluster"), ("waste", "ultracluster", "--json", "--html", "FOLDER"))
JOBS = tuple(("train", verb, "dev", "--slurm") for verb in ("list", "stop", "status", "logs"))
DRAWN = (
    ("dashboards", "dev", "--from", "http://x", "--output", "FOLDER"),
    *((*words, "--metrics", "http://x") for words in WASTE),
)
KINDS = (
    Kind("network.json", lambda: _golden("Network"), (*AUDIT, *REVIEW)),
    Kind("cluster.json", lambda: _golden("Cluster"), (*AUDIT, *REVIEW)),
    Kind("foreign.yaml", FOREIGN.read_text, (*AUDIT, *REVIEW)),
    Kind("job.sbatch", lambda: SCRIPT, AUDIT),
    Kind("Dockerfile", lambda: DOCKERFILE, AUDIT),
    Kind("requests.yaml", lambda: REQUESTS, AUDIT),
    Kind("request.json", lambda: REQUEST, (("train", "check", "FILE"), *AUDIT)),
    Kind("nccl.log", lambda: LOG, PLAN),
    Kind("metrics.jsonl", lambda: METRICS, PLAN),
    Kind("delivery.json", lambda: DELIVERY, (("deliver", "execute", "FILE"),)),
    Kind("recipe.yaml", lambda: RECIPE, (("train", "recipes", "FILE"),)),
    Kind("sacct", lambda: SACCT, WASTE, on_login_node),
    Kind("squeue", lambda: SQUEUE, JOBS, on_login_node),
    Kind("series.json", lambda: SERIES, DRAWN, in_prometheus),
)  # fmt: skip

HURTS = (
    *("9" * 5000, "1e400", "-1e400", "Infinity", "NaN", "1" + "0" * 400, "-0", "1e-400", "0x10"),
    *("\x1b[2K\x1b[1A", "\x9b8m", "\u202e", "\u2066", "\\ud800", "\\u0000", "\x00", "\ufeff"),
    *("null", "true", "[]", "{}", '""', "[[]]", "{", "}", "[", "]", '"', "'", "\\"),
    *("`", "``", "$("),
    *("2026-02-31", "99:99", "2026-13-45T25:61:61Z", "inf", "nan", "-1", "1.5", "٣", "²"),
    *('{"Fn::Transform": {"Name": "x"}}', '{"Ref": "AWS::NoValue"}', '{"Fn::If": ["C", 1, 2]}'),
    *('{"Fn::GetAtt": ["A", "B.C"]}', '{"Fn::Sub": "${A.B}${!x}"}', '{"Fn::Select": [9, []]}'),
    *('{"Fn::ForEach::L": ["X", ["a"], {"k${X}": 1}]}', "!If [C, 1, 2]", "&a [*a]", "<<: *m"),
    *("*" * 40, "a" * 10_000, "\n" * 300, "(" * 500, "[" * 500, "${A:-" * 200, "<<EOF\n" * 50),
    *("arn:aws:s3:::*", "{{resolve:ssm:", "}}", "@everyone", "](http://x)", "<script>", "\r\n"),
)  # fmt: skip


@st.composite
def hurt(draw: st.DrawFn, sample: str) -> str:
    """Return a sample with some of its parts put in place of others, or by what hurts."""
    text = sample
    for _ in range(draw(st.integers(1, 4))):
        text = draw(st.sampled_from(MUTATIONS))(draw, text)
    return text


def _somewhere(draw: st.DrawFn, text: str) -> int:
    return draw(st.integers(0, max(0, len(text) - 1)))


def _put(draw: st.DrawFn, text: str) -> str:
    at = _somewhere(draw, text)
    return text[:at] + draw(st.sampled_from(HURTS)) + text[at:]


def _value(draw: st.DrawFn, text: str) -> str:
    """Put what hurts in place of a whole value of JSON, YAML or a script."""
    at = max(text.find(sign, _somewhere(draw, text)) for sign in (": ", "=", "\t", "  "))
    ends = [end for sign in ",\n}]" if (end := text.find(sign, at + 2)) > 0]
    if at < 0 or not ends:
        return _put(draw, text)
    new = draw(st.sampled_from(HURTS) | st.text(max_size=20) | st.integers().map(str))
    return f"{text[: at + 2]}{new}{text[min(ends) :]}"


def _cut(draw: st.DrawFn, text: str) -> str:
    begin = _somewhere(draw, text)
    return text[:begin] + text[begin + draw(st.integers(1, 200)) :]


def _again(draw: st.DrawFn, text: str) -> str:
    begin = _somewhere(draw, text)
    part = text[begin : begin + draw(st.integers(1, 300))]
    return text[:begin] + part * draw(st.integers(2, 20)) + text[begin:]


def _swap(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


MUTATIONS = (_put, _value, _value, _value, _cut, _again, _swap)
