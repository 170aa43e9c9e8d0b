"""SageMaker's entry point, and the ranks that it starts: real processes, real signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.launch.conftest import Place
from training.launch import ranks
from training.launch.machine import Machine
from training.launch.sagemaker import environment, run
from training.launch.sagemaker_job import Cluster, command, numbered, plain, setting
from training.problems import UserError
from training.recipes import find

ROOT = Path(__file__).parents[3]


def config(root: Path, hyperparameters: dict[str, str], **resources: object) -> Path:
    """Write what SageMaker writes before it starts a container."""
    folder = root / "input" / "config"
    folder.mkdir(parents=True)
    (root / "code").mkdir()
    found = {
        "current_host": "localhost",
        "current_instance_type": "ml.c5.xlarge",
        "current_group_name": "homogeneousCluster",
        "hosts": ["localhost"],
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": "ml.c5.xlarge",
             "hosts": ["localhost"]}
        ],
        "network_interface_name": "eth0",
        **resources,
    }  # fmt: skip
    (folder / "resourceconfig.json").write_text(json.dumps(found))
    (folder / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    return root


def script(root: Path, *lines: str) -> dict[str, str]:
    """Write a program, and return the hyperparameters that name it."""
    (root / "code").mkdir(parents=True, exist_ok=True)
    (root / "code" / "job.py").write_text("\n".join(lines))
    return {"engine": "theirs", "program": "job.py"}


def failure(root: Path) -> str:
    return (root / "output" / "failure").read_text()


def test_hosts_are_numbered_as_numbers(tmp_path):
    """SageMaker's own launcher sorts texts, which puts algo-10 between algo-1 and algo-2."""
    hosts = [f"algo-{n}" for n in (1, 10, 100, 2, 20, 3, 11)]
    config(tmp_path, {}, current_host="algo-10", hosts=hosts, instance_groups=None)
    cluster = Cluster.read(tmp_path)
    assert cluster.hosts == tuple(f"algo-{n}" for n in (1, 2, 3, 10, 11, 20, 100))
    assert cluster.number == 3
    assert numbered("algo-2") < numbered("algo-10")
    assert numbered("worker") == ("worker", -1)


def test_the_program_gets_recipe_and_settings_as_its_command_line():
    """Values are texts; SageMaker's SDK writes them as JSON once more."""
    given = {
        "engine": '"training"',
        "recipe": '"gpt-30b-p4d"',
        "settings": json.dumps({
            "parallel.partition_size": 32,
            "numerics.compile": False,
            "checkpoint.path": None,
            "optimizer.betas": [0.9, 0.95],
            "data.path": "/opt/ml/input/data/train/a b",
        }),
    }  # fmt: skip
    assert command(plain(given), Path("/opt/ml")) == [
        sys.executable, "-m", "training.train", "gpt-30b-p4d",
        "--set", "parallel.partition_size=32", "--set", "numerics.compile=false",
        "--set", "checkpoint.path=none", "--set", "optimizer.betas=0.9,0.95",
        "--set", "data.path=/opt/ml/input/data/train/a b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no hyperparameter engine"),
        ({"engine": "training"}, "no hyperparameter recipe"),
        ({"engine": "training", "recipe": "a", "settings": "{"}, "settings is no JSON"),
        ({"engine": "training", "recipe": "a", "settings": "[1]"}, "settings is list"),
        ({"engine": "training", "recipe": "a", "settings": '{"a.b": {}}'}, "a.b is {}"),
        ({"engine": "deepspeed"}, "no hyperparameter program"),
        ({"engine": "deepspeed", "program": "none.py"}, "no such file"),
        ({"engine": "deepspeed", "program": __file__, "arguments": "{}"}, "arguments is dict"),
    ],
)
def test_hyperparameters_that_cannot_be_end_with_a_sentence(tmp_path, given, said):
    """In the log, and where DescribeTrainingJob shows it."""
    config(tmp_path, given)
    assert run(tmp_path, dict(os.environ)) == 2
    assert said in failure(tmp_path)


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"current_host": "algo-9"}, "algo-9, which is not of its hosts"),
        ({"hosts": None}, "names no current_host and hosts"),
        ({"instance_groups": ["x"]}, "names a group without instance_type"),
        ({"instance_groups": 5}, "names a group without instance_type"),
        ({"current_host": "\x1b[2J\u202e"}, r"this host is \x1b[2J\u202e"),
        ({"current_host": "\ud800"}, "which is not of its hosts"),
        (
            {"instance_groups": [{"instance_type": "ml.p4d.24xlarge"}, {"instance_type": "ml.g5"}]},
            "EFA joins nodes of one type",
        ),
    ],
)
def test_a_cluster_that_makes_no_sense_is_refused(tmp_path, resources, said):
    """One line, no trace."""
    config(tmp_path, {"engine": "training", "recipe": "smoke"}, **resources)
    assert run(tmp_path, {}) == 2
    assert said in failure(tmp_path)


@pytest.mark.parametrize("name", ["resourceconfig", "hyperparameters"])
@pytest.mark.parametrize("text", ["[]", "null", "[" * 100_000, "\ud800"])
def test_what_sagemaker_never_writes_is_one_line(tmp_path, name, text):
    config(tmp_path, {"engine": "training", "recipe": "smoke"})
    file = tmp_path / "input" / "config" / f"{name}.json"
    file.write_text(text, errors="surrogatepass")
    assert run(tmp_path, {}) == 2
    assert f"{name}.json: is no JSON object" in failure(tmp_path)


def test_outside_of_sagemaker_it_says_what_it_is(tmp_path):
    """Somebody runs the image by hand."""
    assert run(tmp_path, {}) == 2
    assert "entry point of SageMaker training jobs" in failure(tmp_path)
    with pytest.raises(UserError):
        setting("a.b", [[1]])


def test_a_job_over_efa_without_efa_fails_in_seconds_and_in_words(tmp_path):
    """Two P4d hosts whose container has neither GPUs nor cards: no silent TCP."""
    config(tmp_path, {"engine": "training", "recipe": "smoke"}, current_host="algo-1",
           current_instance_type="ml.p4d.24xlarge", hosts=["algo-2", "algo-1"],
           instance_groups=None)  # fmt: skip
    began = time.monotonic()
    assert run(tmp_path, dict(os.environ)) == 2
    assert time.monotonic() - began < 30
    said = failure(tmp_path)
    assert said.startswith("algo-1: ")
    assert "EFA was asked for" in said
    assert len(said) <= 1024


def test_a_host_whose_first_one_never_comes_ends_in_time(tmp_path):
    """69: another attempt may find all hosts."""
    hosts = ["algo-1.invalid", "algo-2.invalid"]
    given = {"engine": "training", "recipe": "smoke"}
    config(tmp_path, given, current_host=hosts[1], hosts=hosts, instance_groups=None)
    assert run(tmp_path, dict(os.environ), patience=0) == 69
    assert "has had no address" in failure(tmp_path)


def test_a_fabric_that_is_no_choice_is_refused(tmp_path):
    """A typo must not mean auto."""
    config(tmp_path, {"engine": "training", "recipe": "smoke"})
    assert run(tmp_path, {"ULTRACLUSTER_FABRIC": "EFA"}) == 2
    assert "write auto or efa or none" in failure(tmp_path)


def test_ranks_of_a_p4d_host_inherit_no_harm(tmp_path):
    """What SageMaker's launchers force on P4d is not there, and what they leave out is."""
    place = Place(tmp_path / "place")
    config(tmp_path / "ml", {}, current_host="algo-2", hosts=["algo-1", "algo-2"],
           current_instance_type="ml.p4d.24xlarge", instance_groups=None)  # fmt: skip
    cluster = Cluster.read(tmp_path / "ml")
    found = environment(cluster, {"NCCL_DEBUG": "WARN"}, place.machine(), fabric=True)
    assert not {"RDMAV_FORK_SAFE", "NCCL_PROTO"} & set(found)
    assert found["NCCL_NET"] == "AWS Libfabric"
    assert found["NCCL_SOCKET_IFNAME"] == found["GLOO_SOCKET_IFNAME"] == "eth0"
    assert found["NCCL_HOSTID"] == "algo-2"
    assert found["NCCL_DEBUG"] == "WARN"


def test_another_engine_s_script_runs_with_its_arguments(tmp_path):
    """The whole road: configuration, check, rank wrapper, script."""
    given = script(tmp_path / "x", "")
    given = {"engine": "theirs", "program": "job.py", "arguments": '["--epochs", 3]'}
    config(tmp_path / "ml", given)
    out = tmp_path / "out"
    script(
        tmp_path / "ml",
        "import os, sys, json",
        "names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')",
        f"json.dump([sys.argv[1:], *map(os.environ.get, names)], open({str(out)!r}, 'w'))",
    )
    assert run(tmp_path / "ml", {**os.environ, "PYTHONPATH": str(ROOT)}) == 0
    assert json.loads(out.read_text()) == [["--epochs", "3"], "0", "1", "0", "localhost", "7777"]
    assert not (tmp_path / "ml" / "output").exists()


def test_sigterm_reaches_the_program_and_its_75_comes_out(tmp_path):
    """Of 75 torchrun makes 1, and nobody would know that the job can go on."""
    ready = tmp_path / "ready"
    given = script(
        tmp_path / "ml",
        "import signal, sys, time, pathlib",
        "def stop(*_): print('saved', file=sys.stderr, flush=True); sys.exit(75)",
        "signal.signal(signal.SIGTERM, stop)",
        f"pathlib.Path({str(ready)!r}).touch()",
        "time.sleep(60)",
    )
    (tmp_path / "ml" / "code" / "job.py").rename(tmp_path / "job.py")
    (tmp_path / "ml" / "code").rmdir()
    config(tmp_path / "ml", {**given, "program": str(tmp_path / "job.py")})
    entry = [sys.executable, "-m", "training.launch", "sagemaker", "--root", str(tmp_path / "ml")]
    process = subprocess.Popen(entry, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "saved\n" in errors
    assert "the same job goes on from there" in failure(tmp_path / "ml")


def test_a_run_that_could_not_save_its_end_says_so(tmp_path):
    """The program says it on standard output, which is no part of a failure's reason."""
    config(tmp_path / "ml", {"engine": "theirs", "program": "job.py"})
    script(tmp_path / "ml", "import sys", "sys.exit(74)")

    assert run(tmp_path / "ml", {**os.environ, "PYTHONPATH": str(ROOT)}) == 74
    assert "without its last checkpoint" in failure(tmp_path / "ml")


def started(count: int, *lines: str, environment: dict[str, str] | None = None) -> ranks.End:
    place = ranks.Place(node=1, nodes=2, ranks=count, master="algo-1", port=7777)
    program = [sys.executable, "-c", "\n".join(("import os, sys, time, signal", *lines))]
    return ranks.run(program, place, environment or dict(os.environ))


def test_ranks_are_numbered_through_nodes(tmp_path):
    """Node 1 of 2 with three ranks has 3, 4 and 5 of 6."""
    end = started(
        3,
        f"open(os.path.join({str(tmp_path)!r}, os.environ['RANK']), 'w')"
        ".write(os.environ['WORLD_SIZE'] + os.environ['LOCAL_RANK'])",
    )
    assert end.status == 0
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"3": "60", "4": "61", "5": "62"}


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("sys.exit('out of memory')", 1, "out of memory"),
        ("sys.exit(2)", 2, ""),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, ""),
    ],
)
def test_one_rank_that_fails_ends_all_with_its_status(line, status, said):
    """The others wait in a collective for it, and would until its timeout."""
    end = started(3, f"if os.environ['RANK'] == '4': {line}", "time.sleep(60)")
    assert (end.status, end.rank, end.said) == (status, 4, said)


def test_a_rank_that_ignores_sigterm_is_killed(monkeypatch):
    """A hung driver call cannot keep the node."""
    monkeypatch.setattr(ranks, "GRACE_SECONDS", 0.3)
    end = started(
        2,
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "if os.environ['RANK'] == '3': time.sleep(0.2); sys.exit(9)",
        "time.sleep(60)",
    )
    assert (end.status, end.rank) == (9, 3)


def test_75_of_all_is_75_and_a_failure_beside_it_is_the_failure():
    """Requeue what was saved; do not requeue what broke."""
    assert started(2, "sys.exit(75)").status == 75
    assert started(2, "sys.exit(75 if os.environ['RANK'] == '2' else 3)").status == 3


def test_a_command_that_is_not_there_is_said(capfd, tmp_path):
    """127, as of a shell."""
    place = ranks.Place(node=0, nodes=1, ranks=1, master="localhost", port=1)
    wrapper = [sys.executable, "-m", "training.launch", "rank", "--", str(tmp_path / "none")]
    end = ranks.run(wrapper, place, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert end.status == 127
    assert "No such file or directory" in end.said
    assert "none" in capfd.readouterr().err


def test_the_wrapper_binds_what_it_starts(tmp_path):
    """The command has the CPUs of its GPU's node; the wrapper is gone by then (exec)."""
    lines = (
        "import os, sys",
        "from pathlib import Path",
        "from tests.training.launch.trees import Tree, GPU",
        "from training.launch.binding import run",
        "from training.launch.topology import Topology, listed",
        "mine = os.sched_getaffinity(0)",
        f"tree = Tree(Path({str(tmp_path)!r}) / 'machine')",
        "one = min(mine)",
        "tree.numa({0: str(one)})",
        "tree.add('pci0000:10/0000:10:1c.0', GPU, 0, str(one))",
        "show = 'import os; print(os.getpid(), sorted(os.sched_getaffinity(0)))'",
        "print(os.getpid(), [one], flush=True)",
        "sys.exit(run([sys.executable, '-c', show], Topology(tree.root)))",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        env={**os.environ, "LOCAL_RANK": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    first, second = done.stdout.splitlines()
    assert first == second
    assert "rank 0: local rank 0: GPU 0000:10:1c.0; NUMA node 0" in done.stderr


def test_the_program_takes_every_setting_as_it_is_handed_on():
    """Numbers, truth, nothing and lists, through the program's own reading of them."""
    values = {
        "parallel.partition_size": 64,
        "numerics.compile": False,
        "checkpoint.path": None,
        "checkpoint.every": 0,
        "optimizer.betas": [0.9, 0.98],
        "data.path": "/opt/ml/input/data/train",
    }
    given = {"engine": "training", "recipe": "gpt-30b-p4d", "settings": json.dumps(values)}
    _, _, _, recipe, *changes = command(given, Path("/opt/ml"))
    settings = find(recipe).override(dict(one.split("=", 1) for one in changes[1::2]))
    assert settings.parallel.partition_size == 64
    assert settings.numerics.compile is False
    assert settings.checkpoint.path is None
    assert settings.optimizer.betas == (0.9, 0.98)


def test_compatibility_is_asked_of_the_machine_that_runs():
    """Without NVIDIA's driver the environment stays as it is."""
    assert Machine({"A": "1"}).with_compatibility() == {"A": "1"}
