"""Nodes of a Slurm cluster for the emulated AWS: scripts are run by bash, the programs are faked.

FOLDER/node runs a script as Run Command would. Each program that a script calls is a file of four
lines of bash, which asks this process what to do: a Python of its own for each of the thousands of
calls would be most of what the tests take. Paths of a node lie below FOLDER/root.
"""

import base64
import re
import shlex
import socketserver
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ultracluster.aws import Account

BASH = "/bin/bash"
NODES = ("p4d-24xlarge-1", "p4d-24xlarge-2")
GPUS = 8
SIZE_GB = 8000
NAMES = (
    *("runuser", "cloud-init", "sinfo", "scontrol", "salloc", "srun", "sbatch", "squeue"),
    *("scancel", "nvidia-smi", "systemctl", "fi_info", "ip", "lctl", "umount", "mount", "df"),
)
STEP = "step {:7d}  loss   {:.4f}  norm    1.000  lr 1.00e-04\n"
END = b"\0\4\0"
PROGRAM = f"""#!{BASH}
exec 3<>/dev/tcp/127.0.0.1/PORT
printf '%s\\0' NAME "$PWD" "$ULTRACLUSTER_LOGS" "$@" $'\\4' >&3
IFS= read -r -d '' -u 3 answer
exec 3>&-
eval "$answer"
"""
"""What it is told is bash: what to print, and how to end."""


@dataclass
class Said:
    """What a program does."""

    text: str = ""
    status: int = 0
    instead: str = ""
    """Bash, where it runs something."""

    def bash(self) -> bytes:
        """Return it as a program is told."""
        printed = f"printf %s {shlex.quote(self.text)}; " if self.text else ""
        return f"{printed}{self.instead or f'exit {self.status}'}".encode()


def option(words: list[str], name: str, otherwise: str = "") -> str:
    """Return the value of `--name=value`."""
    found = [word.partition("=")[2] for word in words if word.startswith(f"--{name}=")]
    return found[0] if found else otherwise


def lines(*texts: str) -> Said:
    """Return what prints lines."""
    return Said("".join(f"{text}\n" for text in texts))


@dataclass
class FakeNodes:
    """The nodes, their programs and their controller; they last as long as the context."""

    folder: Path
    broken: dict[str, Any] = field(default_factory=dict)
    """What fails: a program's name and how it then ends, or one of the words asked for below."""
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    rebooted: bool = False
    asked: set[str] = field(default_factory=set)
    """The programs that were called."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    cloud: Account | None = None
    """The emulated AWS itself."""
    account: dict[str, Any] = field(default_factory=dict)
    """What the nodes know of it: bucket, key, and the settings of Slurm."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> Self:
        """Answer programs."""
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                data = b""
                while not data.endswith(END):
                    data += self.request.recv(65536)
                self.request.sendall(fake.answer(data.decode().split("\0")[:-2]) + b"\0")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.install(self._server.server_address[1])
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Have no jobs, no nodes, and nothing broken."""
        with self.lock:
            self.broken, self.nodes, self.jobs, self.rebooted = {}, {}, {}, False
            self.asked.clear()
            self.cancelled.clear()

    def answer(self, asked: list[str]) -> bytes:
        """Return what a program is to do."""
        name, work, logs, *words = asked
        if name in self.broken:
            status, text = self.broken[name]
            return Said(text, int(status)).bash()
        asked_for = getattr(self, name.replace("-", "_"))
        self.asked.add(name)
        if name == "salloc" and "late" in self.broken:
            # The nodes are there a moment after nobody wants them any more.
            self.cancelled.wait(60)
        with self.lock:
            self.work, self.logs = Path(work), logs
            said: Said = asked_for(words)
        if name == "scancel":
            self.cancelled.set()
        return said.bash()

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Ask the emulated AWS."""
        assert self.cloud
        return self.cloud.ask(service, operation, **parameters)

    @property
    def root(self) -> Path:
        """Where the paths of a node lie."""
        return self.folder / "root"

    def run_script(self, words: list[str]) -> Said:
        """Run a script with a node's paths, programs and limits."""
        (script,) = words
        encoded = re.search(r"echo (\S+) \| base64 --decode", script)
        moved = base64.b64decode(encoded[1]).decode() if encoded else script
        moved = re.sub(r"(?<![\w}/])/(fsx|opt|proc|sys|scratch)\b", rf"{self.root}/\1", moved)
        if encoded:
            # The user's shell is the fake's own.
            again = base64.b64encode(moved.encode()).decode()
            script = script.replace(encoded[1], again)
        if f"{self.root}/fsx/data" in moved and "import" not in self.broken:
            self.import_data()
        # Whoever runs the tests may not raise limits.
        _, limit = self.broken.get("ulimit", (0, "unlimited"))
        path = shlex.quote(str(self.folder / "bin"))
        run = (
            f"export PATH={path}:$PATH; ulimit() {{ echo {limit}; }}; export -f ulimit; "
            f"{BASH} -c {shlex.quote(script if encoded else moved)}"
        )
        if f"{self.root}/fsx/checkpoints" in moved and "export" not in self.broken:
            run += "; status=$?; export-checkpoints; exit $status"
        return Said(instead=run)

    def import_data(self) -> None:
        """Bring the bucket's objects, as FSx does."""
        bucket = self.account["bucket"]
        found = self.ask("s3", "list_objects_v2", Bucket=bucket, Prefix="data/")
        for row in found.get("Contents", ()):
            path = self.root / "fsx" / row["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            body = self.ask("s3", "get_object", Bucket=bucket, Key=row["Key"])["Body"]
            path.write_bytes(body.read())

    def export_checkpoints(self, _: list[str]) -> Said:
        """Bring files to the bucket, as FSx does."""
        for path in (self.root / "fsx" / "checkpoints").rglob("*"):
            if path.is_file():
                self.ask(
                    "s3",
                    "put_object",
                    Bucket=self.account["bucket"],
                    Key=str(path.relative_to(self.root / "fsx")),
                    Body=path.read_bytes(),
                    ServerSideEncryption="aws:kms",
                    SSEKMSKeyId=self.account["key"],
                )
        return Said()

    def runuser(self, words: list[str]) -> Said:
        """Run a command as somebody else."""
        return Said(instead=f"exec {BASH} -c {shlex.quote(words[-1])}")

    def cloud_init(self, _: list[str]) -> Said:
        """Say how the boot ended."""
        return lines("status: done")

    def sinfo(self, _: list[str]) -> Said:
        """Name the partitions."""
        return lines("train*")

    def launch(self, name: str) -> None:
        """Start the instance of a node, as PCS does."""
        tags = [{"Key": "ultracluster:environment", "Value": "staging"}]
        row = self.ask(
            "ec2",
            "run_instances",
            ImageId="ami-0123456789abcdef0",
            InstanceType="p4d.24xlarge",
            MinCount=1,
            MaxCount=1,
            Placement={"GroupName": self.account["group"]},
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )["Instances"][0]
        self.nodes[name] = {
            "state": "IDLE",
            "reason": "",
            "instance": row["InstanceId"],
            "address": row["PrivateIpAddress"],
        }

    def require_nodes(self, *names: str) -> None:
        """Start what does not run."""
        for name in names:
            if name not in self.nodes:
                self.launch(name)

    def new_job(self, words: list[str], **more: Any) -> str:
        """Return the number of a new job."""
        number = str(len(self.jobs) + 1)
        name = option(words, "job-name")
        self.jobs[number] = {"name": name, "state": "RUNNING", "restarts": 0, **more}
        return number

    def salloc(self, words: list[str]) -> Said:
        """Grant two nodes."""
        self.require_nodes(*NODES)
        number = self.new_job(words, nodes=list(NODES))
        return lines(f"salloc: Granted job allocation {number}")

    def srun(self, words: list[str]) -> Said:
        """Run a command on the nodes of a job, or on one node."""
        job = self.jobs.get(option(words, "jobid"))
        if job and job["state"] == "CANCELLED":
            return Said("srun: error: Job/step already completing or completed\n", 1)
        labelled = "--label" in words
        names = NODES if labelled else NODES[:1]
        self.require_nodes(*names)
        command = shlex.quote(words[-1])
        tasks = [
            f"SLURMD_NODENAME={name} {BASH} -c {command}"
            + (
                f' | while IFS= read -r line || [ "$line" ]; do echo "{task}: $line"; done'
                if labelled
                else ""
            )
            + " || status=$?; "
            for task, name in enumerate(names)
        ]
        return Said(instead=f"set -o pipefail; status=0; {''.join(tasks)}exit $status")

    def sbatch(self, words: list[str]) -> Said:
        """Take a job: a wrapped one, the network's acceptance, or training."""
        if option(words, "wrap"):
            node = option(words, "nodelist")
            self.require_nodes(node)
            number = self.new_job(words, nodes=[node], wrapped=True)
            self.start(number)
            return lines(number)
        output = self.work / option(words, "output")
        self.require_nodes(*NODES)
        number = self.new_job(words, output=str(output), nodes=list(NODES))
        job = self.jobs[number]
        if any(word.endswith("nccl-acceptance.sbatch") for word in words):
            output.write_text("2026 job 5: sound: p4d-24xlarge-[1-2]\n")
            log = self.work / self.logs / f"{option(words, 'job-name')}-{number}-0.log"
            lost = "gpudirect" in self.broken
            log.write_text("NCCL INFO via NET/AWS Libfabric/0" + ("" if lost else "/GDRDMA") + "\n")
            job["state"] = "COMPLETED"
        else:
            ends = "--wait" in words
            steps = range(1, 21 if ends else 13)
            output.write_text("".join(STEP.format(step, 9 - step / 10) for step in steps))
            job["state"] = "COMPLETED" if ends else "RUNNING"
        return lines(number)

    def fitness(self) -> str:
        """Return why the prolog would drain a node."""
        text = (self.root / "opt" / "ultracluster" / "node.conf").read_text()
        wanted = int(re.search(r"GPUS=(\d+)", text)[1])  # type: ignore[index]
        if wanted != GPUS:
            return f"ultracluster check: {GPUS} GPUs instead of {wanted}"
        if " lustre " not in (self.root / "proc" / "mounts").read_text():
            return "ultracluster check: Lustre is not mounted at /fsx"
        return ""

    def start(self, number: str) -> None:
        """Start a wrapped job: the prolog first; it waits at its first start only."""
        job = self.jobs[number]
        node = self.nodes[job["nodes"][0]]
        reason = "" if "prolog" in self.broken else self.fitness()
        if reason:
            node |= {"state": "IDLE+DRAIN", "reason": reason}
            job |= {"state": "PENDING", "restarts": job["restarts"] + 1}
        else:
            job["state"] = "COMPLETED" if job["restarts"] else "RUNNING"

    def see_instances(self) -> None:
        """Find nodes that rebooted or went, requeue what ran there, and bring them back."""
        for name, node in list(self.nodes.items()):
            rows = self.ask("ec2", "describe_instances", InstanceIds=[node["instance"]])
            row = rows["Reservations"][0]["Instances"][0]
            ended = row["State"]["Name"] != "running"
            if not ended and not self.rebooted:
                continue
            self.rebooted = False
            if ended and "replacement" not in self.broken:
                self.launch(name)
            for number, job in self.jobs.items():
                if job.get("wrapped") and job["state"] == "RUNNING" and name in job["nodes"]:
                    if "requeue" in self.broken:
                        job["state"] = "FAILED"
                        continue
                    job["restarts"] += 1
                    self.start(number)

    def scontrol(self, words: list[str]) -> Said:
        """Show things, and resume nodes."""
        if words[:2] == ["show", "config"]:
            custom = self.account["custom"]
            written = {row["parameterName"]: row["parameterValue"] for row in custom}
            # As Slurm 24.11 shows them.
            written["Prolog[0]"] = written.pop("Prolog")
            written["HealthCheckInterval"] += " sec"
            rows = [f"{name:<23} = {value}" for name, value in written.items()]
            return lines("SLURM_VERSION           = 25.11.2", *rows)
        if words[:2] == ["show", "hostnames"]:
            return lines(*words[2].split(","))
        if words[0] == "show":
            self.see_instances()
            return lines((self.node_line if words[1] == "node" else self.job_line)(words[2]))
        node = self.nodes[words[1].partition("=")[2]]
        node |= {"state": "IDLE", "reason": ""}
        for number, job in self.jobs.items():
            if job.get("wrapped") and job["state"] == "PENDING":
                self.start(number)
        return Said()

    def node_line(self, name: str) -> str:
        """Return a node as scontrol shows it."""
        node = self.nodes[name]
        return (
            f"NodeName={name} NodeAddr={node['address']} State={node['state']} "
            f"Reason={node['reason']} [root@2026-11-27T05:00:00]"
        )

    def job_line(self, number: str) -> str:
        """Return a job as scontrol shows it."""
        job = self.jobs[number]
        return f"JobId={number} JobState={job['state']} Requeue=1 Restarts={job['restarts']} ."

    def squeue(self, words: list[str]) -> Said:
        """Name the nodes of a job, or its state while it has not ended."""
        job = self.jobs[option(words, "jobs")]
        if option(words, "format") == "%N":
            return lines(",".join(job["nodes"]))
        return lines("RUNNING") if job["state"] == "RUNNING" else Said()

    def scancel(self, words: list[str]) -> Said:
        """End jobs of a name and let their nodes go; crash the tasks of one, which starts again."""
        if "--signal=KILL" in words:  # of all signals this one is sent to the script as well
            self.jobs[words[-1]]["state"] = "CANCELLED"
            return Said()
        if "--signal=ABRT" in words:
            job = self.jobs[words[-1]]
            last = 6.5 if "resume" in self.broken else 7.0
            with Path(job["output"]).open("a") as file:
                file.write("failed with status 134 after the checkpoint of step 10; requeued\n")
                file.writelines(STEP.format(step, 9 - step / 10) for step in range(11, 20))
                file.write(STEP.format(20, last))
            job["state"] = "COMPLETED"
            return Said()
        for job in self.jobs.values():
            if job["name"] == option(words, "name"):
                job["state"] = "CANCELLED"
        ids = [node["instance"] for node in self.nodes.values()]
        self.nodes.clear()
        if ids and "scale-down" not in self.broken:
            self.ask("ec2", "terminate_instances", InstanceIds=ids)
        return Said()

    def nvidia_smi(self, words: list[str]) -> Said:
        """List the GPUs."""
        mode = "--query-gpu=persistence_mode" in words
        return lines(*("Enabled" if mode else f"GPU {index}: A100" for index in range(GPUS)))

    def systemctl(self, words: list[str]) -> Said:
        """Say that a unit runs, or reboot."""
        self.rebooted |= words == ["reboot"]
        return lines("active")

    def fi_info(self, _: list[str]) -> Said:
        """Name EFA's domains."""
        return lines(*["provider: efa"] * 4)

    def ip(self, words: list[str]) -> Said:
        """Show addresses and routes: four interfaces, each with its own."""
        if "addr" in words:
            shown = "{}: eth{}    inet 10.1.0.{}/22 scope global eth{}"
            return lines(*(shown.format(i + 2, i, i + 10, i) for i in range(4)))
        if "default" in words:
            return lines("default via 10.1.0.1 dev eth0")
        device = int(words[-1].rsplit(".", 1)[1]) - 10
        return lines(f"10.1.0.1 from {words[-1]} dev eth{device} uid 0")

    def lctl(self, _: list[str]) -> Said:
        """Show a parameter of two targets."""
        return lines("32", "32")

    def umount(self, _: list[str]) -> Said:
        """Take Lustre away."""
        (self.root / "proc" / "mounts").write_text("")
        return Said()

    def mount(self, _: list[str]) -> Said:
        """Bring it back."""
        (self.root / "proc" / "mounts").write_text(f"fs@tcp:/x {self.root}/fsx lustre rw 0 0\n")
        return Said()

    def df(self, _: list[str]) -> Said:
        """Show the size of scratch."""
        return lines(" 1GB-blocks", f" {SIZE_GB}GB")

    @property
    def runner(self) -> Path:
        """The program that runs scripts."""
        return self.folder / "node"

    def install(self, port: int) -> None:
        """Write a node's files and programs."""
        root = self.root
        for name in ("fsx/data", "fsx/checkpoints", "fsx/ultracluster", "proc", "opt/ultracluster"):
            (root / name).mkdir(parents=True, exist_ok=True)
        python3 = root / "fsx" / "ultracluster" / "venv" / "bin" / "python3"
        python3.parent.mkdir(parents=True)
        python3.symlink_to("/bin/true")
        (root / "opt" / "ultracluster" / "node.conf").write_text(f"GPUS={GPUS}\n")
        program(root / "opt" / "ultracluster" / "setup.sh", f"#!{BASH}\n")
        (root / "proc" / "mounts").write_text(f"fs@tcp:/x {root}/fsx lustre rw 0 0\n")
        for index in range(4):
            device = root / "sys" / "class" / "infiniband" / f"rdmap{index}" / "ports" / "1"
            device.mkdir(parents=True)
            (device / "state").write_text("4: ACTIVE\n")
        (self.folder / "bin").mkdir()
        for name in (*NAMES, "run-script", "export-checkpoints"):
            text = PROGRAM.replace("PORT", str(port)).replace("NAME", name)
            program(self.folder / "bin" / name, text)
        script = shlex.quote(str(self.folder / "bin" / "run-script"))
        program(self.runner, f'#!{BASH}\nexec {script} "$(cat)"\n')


def program(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(text)
    path.chmod(0o755)
