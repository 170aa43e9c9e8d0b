"""What the check looks at on a node, stood in for: a driver, /sys, /proc, Lustre and systemd."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from tests.training.slurm.cluster import ROOT

GPUS, CARDS = 8, 4
PROGRAMS: Final = ROOT / "constructs_lib" / "boot" / "node"
# One folder for each node: what is in it decides what is found there.
NVIDIA_SMI: Final = """#!/bin/bash
here={folder}/$SLURMD_NODENAME
[[ ! -e $here/hangs ]] || {{ trap '' TERM; exec sleep 600; }}
[[ ! -e $here/fails ]] || {{ echo 'Unable to determine the device handle: GPU is lost'; exit 15; }}
case "$*" in
  *gpu-reset*) echo reset >>"$here/did"; [[ ! -e $here/no-reset ]] || exit 3
    sound="$here/after-reset"; [[ ! -d $sound ]] || cp "$sound"/* "$here" ;;
  *remapped*) cat "$here/remapped" ;;
  *compute-apps*) cat "$here/apps" ;;
  *nvlink*) cat "$here/links" ;;
  *pcie*) cat "$here/lanes" ;;
  *_reasons*) cat "$here/clocks" ;;
  *) cat "$here/gpus" ;;
esac
"""
CONF: Final = """
SLURM_BIN={folder}/bin
GPUS={gpus} FABRIC_MANAGER=1 EFA_DEVICES={cards} LUSTRE=/fsx HOMES= SCRATCH=/scratch
SECONDS_EACH=30 GPU_SECONDS=30 CLOCK_TRIES=1 DEEP_SECONDS=30 REPAIR=1
"""
COMMANDS: Final = {
    "nvidia-smi": NVIDIA_SMI,
    "systemctl": """#!/bin/bash
[[ $1 == is-active ]] || exit 0
[[ ! -e {folder}/$SLURMD_NODENAME/no-fabric ]] || {{ echo failed; exit 3; }}
echo active
""",
    "timedatectl": """#!/bin/bash
if [[ -e {folder}/$SLURMD_NODENAME/no-time ]]; then echo no; else echo yes; fi
""",
    "df": """#!/bin/bash
echo Avail
cat "{folder}/$SLURMD_NODENAME/room" 2>/dev/null || echo 50000
""",
    "stat": "#!/bin/bash\n[[ ! -e {folder}/$SLURMD_NODENAME/stuck ]] || exec sleep 600\n",
    # What the kernel wrote after a time: lines that begin with it.
    "journalctl": """#!/bin/bash
since=0
for word; do [[ $word != --since=@* ]] || since=${{word#--since=@}}; done
[[ $* != *--since=-10min* ]] || since=$(($(date +%s) - 600))
awk -v since="$since" '$1 >= since {{ sub(/^[0-9]+ /, ""); print }}' {folder}/$SLURMD_NODENAME/log
""",
    "dcgmi": """#!/bin/bash
echo "$*" >>{folder}/$SLURMD_NODENAME/did
[[ ! -e {folder}/$SLURMD_NODENAME/weak ]] || {{ echo 'Fail: GPU 3 memory'; exit 1; }}
""",
    # systemd-run [OPTION ...] PROGRAM WORD: beside whoever asks, with the environment of the node.
    "systemd-run": """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
echo "$2" >>{folder}/$SLURMD_NODENAME/did
[[ ! -e {folder}/$SLURMD_NODENAME/by-hand ]] || exit 0
exec 9>{folder}/$SLURMD_NODENAME/unit-$2
flock --nonblock 9 || exit 1
(setsid "$@" >>{folder}/$SLURMD_NODENAME/out 2>&1 &)
""",
}

NODE = "n7"
SCONTROL = """#!/bin/bash
cd {folder}
case "$1 $2" in
  "show hostnames") exit 0 ;;
  "show node")
    echo "NodeName=$3 State=$(cat state) Threads=1 Reason=$(cat reason) [root@now]"
    exit 0 ;;
  listpids*)
    cat pids 2>/dev/null || {{ echo "No job steps exist on this node."; exit 1; }}
    exit 0 ;;
esac
printf '%s\\n' "$*" >>asked
case "$3" in
  State=DRAIN) echo IDLE+DRAIN >state; echo "${{4#Reason=}}" >reason ;;
  State=RESUME) echo IDLE >state ;;
esac
[[ $1 != requeue || ! -e not-requeued ]]
"""
SQUEUE = """#!/bin/bash
# Another task of the array, and the job that is asked for.
echo "42 PENDING"
if [[ -e {folder}/not-requeued ]]; then echo "41 RUNNING"; else echo "41 PENDING"; fi
"""


class Machine:
    """The shipped programs beside the description of a node, and nodes that fit it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        boot = folder / "boot"
        shutil.copytree(PROGRAMS, boot, ignore=shutil.ignore_patterns("__pycache__"))
        conf = CONF.format(folder=folder, gpus=GPUS, cards=CARDS)
        (boot / "node.conf").write_text(conf)
        # Slurm runs it without arguments and with an environment of its own; each node of a test
        # has a root folder, which a real one does not need.
        self.prolog = boot / "check.sh"
        self.prolog.write_text(
            f'#!/bin/bash\nROOT={folder}/$SLURMD_NODENAME exec {boot}/check.py "$@"\n'
        )
        for program in (self.prolog, boot / "check.py"):
            program.chmod(0o755)
        (folder / "bin").mkdir()
        for name, text in COMMANDS.items():
            self.command(name, text.format(folder=folder))

    def command(self, name: str, text: str) -> None:
        """Put a command before those of the system."""
        file = self.folder / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def mend(self, node: str) -> None:
        """Make a node what it should be."""
        here = self.folder / node
        shutil.rmtree(here, ignore_errors=True)
        (here / "proc").mkdir(parents=True)
        self.sound(here)
        mounts = "10.0.0.1@tcp:/abcd /fsx lustre rw 0 0\n/dev/md0 /scratch xfs rw 0 0\n"
        (here / "proc" / "mounts").write_text(mounts)
        (here / "proc" / "meminfo").write_text("MemTotal:  1000 kB\nMemAvailable:  900 kB\n")
        self.boot(node, time.time() - 3600)
        for card in range(CARDS):
            port = here / "sys" / "class" / "infiniband" / f"rdmap{card}s27" / "ports" / "1"
            port.mkdir(parents=True)
            (port / "state").write_text("4: ACTIVE\n")
        cloud = here / "var" / "lib" / "cloud" / "data"
        cloud.mkdir(parents=True)
        (cloud / "instance-id").write_text(f"i-{node}\n")

    def sound(self, folder: Path) -> None:
        """Write what nvidia-smi and the kernel say of sound GPUs."""
        files = {
            "gpus": "".join(f"{n}, 0\n" for n in range(GPUS)),
            "remapped": "".join(f"0000:{n}:00.0, 0, 0\n" for n in range(GPUS)),
            "lanes": "".join(f"{n}, 16, 16\n" for n in range(GPUS)),
            "clocks": "".join(f"{n}, Not Active, Not Active, Not Active\n" for n in range(GPUS)),
            "links": "".join(
                f"GPU {n}: NVIDIA A100 (UUID: GPU-{n})\n\t Link 0: 25 GB/s\n\t Link 1: 25 GB/s\n"
                for n in range(GPUS)
            ),
            "apps": "",
            "log": "",
        }
        for name, text in files.items():
            (folder / name).write_text(text)

    def boot(self, node: str, at: float) -> None:
        """Say when a node was booted."""
        (self.folder / node / "proc" / "stat").write_text(f"btime {at:.0f}\n")

    def log(self, node: str, line: str) -> None:
        """Let the kernel of a node write a line now."""
        with (self.folder / node / "log").open("a") as file:
            file.write(f"{time.time() // 1:.0f} {line}\n")

    def ledger(self, node: str) -> list[dict[str, Any]]:
        """Return the steps that a node took."""
        file = self.folder / node / "var" / "lib" / "ultracluster" / "repairs.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def did(self, node: str) -> list[str]:
        """Return what was run on a node."""
        file = self.folder / node / "did"
        return file.read_text().splitlines() if file.exists() else []

    def remember(self, node: str, did: str, ago: float, why: str = "") -> None:
        """Add a step of the past to a node's ledger."""
        file = self.folder / node / "var" / "lib" / "ultracluster" / "repairs.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        entry = {"time": int(time.time() - ago), "instance": f"i-{node}", "node": node}
        with file.open("a") as opened:
            opened.write(json.dumps({**entry, "did": did, "why": why, "job": ""}) + "\n")

    def share(self, node: str, shared: Path) -> None:
        """Give a node the file system that others have as well."""
        (self.folder / node / "fsx").unlink(missing_ok=True)
        (self.folder / node / "fsx").symlink_to(shared)


class ByHand(Machine):
    """A node without Slurm, on which the check is run by hand."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.mend(NODE)
        self.here = folder / NODE
        self.state("IDLE")
        self.command("scontrol", SCONTROL.format(folder=folder))
        self.command("squeue", SQUEUE.format(folder=folder))
        # What runs beside Slurm is started by the tests.
        (self.here / "by-hand").touch()

    def state(self, state: str, reason: str = "none") -> None:
        """Say what the controller has of the node."""
        (self.folder / "state").write_text(state + "\n")
        (self.folder / "reason").write_text(reason + "\n")

    def impatient(self) -> None:
        """Have checks wait for less, where one of them never ends."""
        conf = self.folder / "boot" / "node.conf"
        text = conf.read_text().replace("GPU_SECONDS=30", "GPU_SECONDS=2")
        conf.write_text(text.replace("SECONDS_EACH=30", "SECONDS_EACH=2"))

    def run(self, *words: str, **job: str) -> int:
        """Run the check, and return its status."""
        environment = {"SLURMD_NODENAME": NODE, "PATH": "/usr/bin:/bin", **job}
        command = [str(self.prolog), *words]
        return subprocess.run(command, env=environment, timeout=60, check=False).returncode

    def start(self, **job: str) -> int:
        """Run it as slurmd does before a job."""
        return self.run(**(job or {"SLURM_JOB_ID": "41", "SLURM_SCRIPT_CONTEXT": "prolog_slurmd"}))

    def health(self) -> str:
        """Run it as slurmd does each minute, and return what Slurm has of the node then."""
        assert self.run() == 0
        state = (self.folder / "state").read_text().strip()
        return state if state == "IDLE" else (self.folder / "reason").read_text().strip()

    def asked(self) -> list[str]:
        """Return what the check asked the controller for."""
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []
