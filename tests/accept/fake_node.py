"""Nodes of a Slurm cluster for the emulated AWS: scripts are run by bash, the programs are faked.

    fake_node.py FOLDER INSTANCE    runs the script on standard input, as Run Command would
    FAKE_PROGRAM=NAME fake_node.py ARGUMENT ...    is one of the programs that a script calls

Paths of a node lie below FOLDER/root. FOLDER/broken.json says what fails: a program's name and how
it then ends, or `import` and `export` of the file system's associations.
"""

import base64
import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(os.environ.get("FAKE_NODE", sys.argv[1] if len(sys.argv) > 1 else "."))
ROOT = HERE / "root"
BASH = "/bin/bash"
NODES = ("p4d-24xlarge-1", "p4d-24xlarge-2")
GPUS = 8
SIZE_GB = 8000
NAMES = (
    *("runuser", "cloud-init", "sinfo", "scontrol", "salloc", "srun", "sbatch", "squeue"),
    *("scancel", "nvidia-smi", "systemctl", "fi_info", "ip", "lctl", "umount", "mount", "df"),
)
STEP = "step {:7d}  loss   {:.4f}  norm    1.000  lr 1.00e-04\n"


def broken() -> dict[str, Any]:
    """Return what fails."""
    path = HERE / "broken.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def aws(service: str) -> Any:
    """Return a client of the emulated AWS."""
    import boto3  # noqa: PLC0415  (most programs need none)

    settings = json.loads((HERE / "aws.json").read_text())
    return boto3.client(
        service,
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        region_name=settings["AWS_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


@contextmanager
def slurm() -> Iterator[dict[str, Any]]:
    """Yield the controller's state, to be changed."""
    path = HERE / "slurm.json"
    with (HERE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        empty: dict[str, Any] = {"nodes": {}, "jobs": {}}
        state = json.loads(path.read_text()) if path.exists() else empty
        yield state
        path.write_text(json.dumps(state))


def main() -> int:
    """Be a node, or one of its programs."""
    name = os.environ.pop("FAKE_PROGRAM", "")
    if not name:
        return run_script(sys.stdin.read())
    if name in broken():
        status, text = broken()[name]
        sys.stdout.write(text)
        return int(status)
    program = globals()[name.replace("-", "_")]
    return int(program(sys.argv[1:]) or 0)


def run_script(script: str) -> int:
    """Run a script with a node's paths, programs and limits."""
    encoded = re.search(r"echo (\S+) \| base64 --decode", script)
    moved = base64.b64decode(encoded[1]).decode() if encoded else script
    moved = re.sub(r"(?<![\w}/])/(fsx|opt|proc|sys|scratch)\b", rf"{ROOT}/\1", moved)
    if encoded:
        # The user's shell is the fake's own.
        again = base64.b64encode(moved.encode()).decode()
        script = script.replace(encoded[1], again)
    if f"{ROOT}/fsx/data" in moved and "import" not in broken():
        import_data()
    # Whoever runs the tests may not raise limits.
    _, limit = broken().get("ulimit", (0, "unlimited"))
    limits = f"ulimit() {{ echo {limit}; }}; export -f ulimit\n"
    status = subprocess.run(
        [BASH, "-c", limits + (script if encoded else moved)],
        env={**os.environ, "PATH": f"{HERE / 'bin'}:{os.environ['PATH']}", "FAKE_NODE": str(HERE)},
        check=False,
    ).returncode
    if f"{ROOT}/fsx/checkpoints" in moved and "export" not in broken():
        export_checkpoints()
    return status


def import_data() -> None:
    """Bring the bucket's objects, as FSx does."""
    settings, client = json.loads((HERE / "aws.json").read_text()), aws("s3")
    for row in client.list_objects_v2(Bucket=settings["bucket"], Prefix="data/").get(
        "Contents", ()
    ):
        path = ROOT / "fsx" / row["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        body = client.get_object(Bucket=settings["bucket"], Key=row["Key"])["Body"]
        path.write_bytes(body.read())


def export_checkpoints() -> None:
    """Bring files to the bucket, as FSx does."""
    settings = json.loads((HERE / "aws.json").read_text())
    for path in (ROOT / "fsx" / "checkpoints").rglob("*"):
        if path.is_file():
            aws("s3").put_object(
                Bucket=settings["bucket"],
                Key=str(path.relative_to(ROOT / "fsx")),
                Body=path.read_bytes(),
                ServerSideEncryption="aws:kms",
                SSEKMSKeyId=settings["key"],
            )


def option(words: list[str], name: str, otherwise: str = "") -> str:
    """Return the value of `--name=value`."""
    found = [word.partition("=")[2] for word in words if word.startswith(f"--{name}=")]
    return found[0] if found else otherwise


def runuser(words: list[str]) -> int:
    """Run a command as somebody else."""
    return subprocess.run([BASH, "-c", words[-1]], check=False).returncode


def cloud_init(_: list[str]) -> None:
    """Say how the boot ended."""
    say("status: done")


def sinfo(_: list[str]) -> None:
    """Name the partitions."""
    say("train*")


def launch(state: dict[str, Any], name: str) -> None:
    """Start the instance of a node, as PCS does."""
    settings = json.loads((HERE / "aws.json").read_text())
    tags = [
        {"Key": "ultracluster:environment", "Value": settings["environment"]},
        {"Key": "aws:pcs:compute-node-group-id", "Value": "pcs_nodes"},
    ]
    row = aws("ec2").run_instances(
        ImageId="ami-0123456789abcdef0",
        InstanceType="p4d.24xlarge",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]
    state["nodes"][name] = {
        "state": "IDLE",
        "reason": "",
        "instance": row["InstanceId"],
        "address": row["PrivateIpAddress"],
    }


def require_nodes(state: dict[str, Any], names: tuple[str, ...]) -> None:
    """Start what does not run."""
    for name in names:
        if name not in state["nodes"]:
            launch(state, name)


def new_job(state: dict[str, Any], words: list[str], **more: Any) -> str:
    """Return the number of a new job."""
    number = str(len(state["jobs"]) + 1)
    name = option(words, "job-name")
    state["jobs"][number] = {"name": name, "state": "RUNNING", "restarts": 0, **more}
    return number


def salloc(words: list[str]) -> None:
    """Grant two nodes."""
    with slurm() as state:
        require_nodes(state, NODES)
        number = new_job(state, words, nodes=list(NODES))
    sys.stderr.write(f"salloc: Granted job allocation {number}\n")


def srun(words: list[str]) -> int:
    """Run a command on the nodes of a job, or on one node."""
    command, labelled = words[-1], "--label" in words
    names = NODES if labelled else NODES[:1]
    with slurm() as state:
        require_nodes(state, names)
    status = 0
    for task, name in enumerate(names):
        done = subprocess.run(
            [BASH, "-c", command],
            env={**os.environ, "SLURMD_NODENAME": name},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        status = status or done.returncode
        for line in done.stdout.splitlines():
            say(f"{task}: {line}" if labelled else line)
    return status


def sbatch(words: list[str]) -> int:
    """Take a job: a wrapped one, the network's acceptance, or training."""
    if wrapped := option(words, "wrap"):
        assert wrapped
        with slurm() as state:
            node = option(words, "nodelist")
            require_nodes(state, (node,))
            number = new_job(state, words, nodes=[node], wrapped=True)
            start(state, number)
        say(number)
        return 0
    output = Path(option(words, "output"))
    with slurm() as state:
        require_nodes(state, NODES)
        number = new_job(state, words, output=str(output.resolve()), nodes=list(NODES))
    say(number)
    if any(word.endswith("nccl-acceptance.sbatch") for word in words):
        output.write_text("2026 job 5: sound: p4d-24xlarge-[1-2]\n")
        log = f"{os.environ['ULTRACLUSTER_LOGS']}/{option(words, 'job-name')}-{number}-0.log"
        lost = "gpudirect" in broken()
        Path(log).write_text(
            "NCCL INFO via NET/AWS Libfabric/0" + ("" if lost else "/GDRDMA") + "\n"
        )
    elif "--wait" in words:
        output.write_text("".join(STEP.format(step, 9 - step / 10) for step in range(1, 21)))
    else:
        output.write_text("".join(STEP.format(step, 9 - step / 10) for step in range(1, 13)))
        return 0
    with slurm() as state:
        state["jobs"][number]["state"] = "COMPLETED"
    return 0


def fitness() -> str:
    """Return why the prolog would drain a node."""
    text = (ROOT / "opt" / "ultracluster" / "node.conf").read_text()
    wanted = int(re.search(r"GPUS=(\d+)", text)[1])  # type: ignore[index]
    if wanted != GPUS:
        return f"ultracluster prolog: {GPUS} GPUs instead of {wanted}"
    if " lustre " not in (ROOT / "proc" / "mounts").read_text():
        return "ultracluster prolog: Lustre is not mounted at /fsx"
    return ""


def start(state: dict[str, Any], number: str) -> None:
    """Start a wrapped job: the prolog first; it waits at its first start only."""
    job = state["jobs"][number]
    node = state["nodes"][job["nodes"][0]]
    reason = "" if "prolog" in broken() else fitness()
    if reason:
        node |= {"state": "IDLE+DRAIN", "reason": reason}
        job |= {"state": "PENDING", "restarts": job["restarts"] + 1}
    else:
        job["state"] = "COMPLETED" if job["restarts"] else "RUNNING"


def see_instances(state: dict[str, Any]) -> None:
    """Find nodes that rebooted or went, requeue what ran there, and bring them back."""
    gone = HERE / "rebooted"
    client = aws("ec2")
    for name, node in list(state["nodes"].items()):
        rows = client.describe_instances(InstanceIds=[node["instance"]])["Reservations"]
        ended = rows[0]["Instances"][0]["State"]["Name"] != "running"
        if not ended and not gone.exists():
            continue
        gone.unlink(missing_ok=True)
        if ended and "replacement" not in broken():
            launch(state, name)
        for number, job in state["jobs"].items():
            if job.get("wrapped") and job["state"] == "RUNNING" and name in job["nodes"]:
                if "requeue" in broken():
                    job["state"] = "FAILED"
                    continue
                job["restarts"] += 1
                start(state, number)


def scontrol(words: list[str]) -> int:
    """Show things, and resume nodes."""
    with slurm() as state:
        if words[:2] == ["show", "config"]:
            say("SLURM_VERSION           = 25.11.2")
            for row in json.loads((HERE / "aws.json").read_text())["custom"]:
                say(f"{row['parameterName']:<23} = {row['parameterValue']}")
        elif words[:2] == ["show", "hostnames"]:
            say("\n".join(words[2].split(",")))
        elif words[:2] == ["show", "node"]:
            see_instances(state)
            node = state["nodes"][words[2]]
            say(
                f"NodeName={words[2]} NodeAddr={node['address']} State={node['state']} "
                f"Reason={node['reason']} [root@2026-11-27T05:00:00]"
            )
        elif words[:2] == ["show", "job"]:
            see_instances(state)
            job = state["jobs"][words[2]]
            restarts = job["restarts"]
            say(f"JobId={words[2]} JobState={job['state']} Requeue=1 Restarts={restarts} .")
        elif words[0] == "update":
            node = state["nodes"][words[1].partition("=")[2]]
            node |= {"state": "IDLE", "reason": ""}
            for number, job in state["jobs"].items():
                if job.get("wrapped") and job["state"] == "PENDING":
                    start(state, number)
    return 0


def squeue(words: list[str]) -> None:
    """Name the nodes of a job, or its state while it has not ended."""
    with slurm() as state:
        job = state["jobs"][option(words, "jobs")]
    if option(words, "format") == "%N":
        say(",".join(job["nodes"]))
    elif job["state"] == "RUNNING":
        say("RUNNING")


def scancel(words: list[str]) -> None:
    """End jobs of a name and let their nodes go; kill the tasks of one, which starts again."""
    with slurm() as state:
        if "--signal=KILL" in words:
            job = state["jobs"][words[-1]]
            last = 6.5 if "resume" in broken() else 7.0
            with Path(job["output"]).open("a") as file:
                file.write("failed with status 137 after the checkpoint of step 10; requeued\n")
                file.writelines(STEP.format(step, 9 - step / 10) for step in range(11, 20))
                file.write(STEP.format(20, last))
            job["state"] = "COMPLETED"
            return
        for job in state["jobs"].values():
            if job["name"] == option(words, "name"):
                job["state"] = "CANCELLED"
        ids = [node["instance"] for node in state["nodes"].values()]
        state["nodes"].clear()
    if ids and "scale-down" not in broken():
        aws("ec2").terminate_instances(InstanceIds=ids)


def nvidia_smi(words: list[str]) -> None:
    """List the GPUs."""
    for index in range(GPUS):
        say("Enabled" if "--query-gpu=persistence_mode" in words else f"GPU {index}: A100")


def systemctl(_: list[str]) -> None:
    """Say that a unit runs."""
    say("active")


def fi_info(_: list[str]) -> None:
    """Name EFA's domains."""
    say("\n".join(["provider: efa"] * 4))


def ip(words: list[str]) -> None:
    """Show addresses and routes: four interfaces, each with its own."""
    if "addr" in words:
        for index in range(4):
            say(f"{index + 2}: eth{index}    inet 10.1.0.{index + 10}/22 scope global eth{index}")
    elif "default" in words:
        say("default via 10.1.0.1 dev eth0")
    else:
        device = int(words[-1].rsplit(".", 1)[1]) - 10
        say(f"10.1.0.1 from {words[-1]} dev eth{device} uid 0")


def lctl(_: list[str]) -> None:
    """Show a parameter of two targets."""
    say("32\n32")


def umount(_: list[str]) -> None:
    """Take Lustre away."""
    (ROOT / "proc" / "mounts").write_text("")


def mount(_: list[str]) -> None:
    """Bring it back."""
    (ROOT / "proc" / "mounts").write_text(f"fs@tcp:/x {ROOT}/fsx lustre rw 0 0\n")


def df(_: list[str]) -> None:
    """Show the size of scratch."""
    say(f" 1GB-blocks\n {SIZE_GB}GB")


def install(folder: Path, python: str) -> Path:
    """Write a node's files and programs into a folder; return the program that runs scripts."""
    root = folder / "root"
    for name in ("fsx/data", "fsx/checkpoints", "fsx/ultracluster", "proc", "opt/ultracluster"):
        (root / name).mkdir(parents=True, exist_ok=True)
    python3 = root / "fsx" / "ultracluster" / "venv" / "bin" / "python3"
    python3.parent.mkdir(parents=True)
    python3.symlink_to("/bin/true")
    (root / "opt" / "ultracluster" / "node.conf").write_text(f"GPUS={GPUS}\n")
    (root / "opt" / "ultracluster" / "setup.sh").write_text("#!/bin/bash\n")
    (root / "opt" / "ultracluster" / "setup.sh").chmod(0o755)
    (root / "proc" / "mounts").write_text(f"fs@tcp:/x {root}/fsx lustre rw 0 0\n")
    for index in range(4):
        port = root / "sys" / "class" / "infiniband" / f"rdmap{index}" / "ports" / "1"
        port.mkdir(parents=True)
        (port / "state").write_text("4: ACTIVE\n")
    (folder / "bin").mkdir()
    here = shlex.join([python, __file__])
    for name in NAMES:
        program = folder / "bin" / name
        program.write_text(f'#!{BASH}\nFAKE_PROGRAM={name} exec {here} "$@"\n')
        program.chmod(0o755)
    runner = folder / "node"
    runner.write_text(f'#!{BASH}\nexec {here} {shlex.quote(str(folder))} "$@"\n')
    runner.chmod(0o755)
    return runner


if __name__ == "__main__":
    sys.exit(main())
