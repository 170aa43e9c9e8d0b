"""What the prolog looks at on a node, stood in for: a driver, /sys, /proc and Lustre."""

import shutil
from pathlib import Path

from tests.training.slurm.cluster import ROOT

GPUS, CARDS = 8, 4
# One folder for each node: what is in it decides what is found there.
NVIDIA_SMI = """#!/bin/bash
here={folder}/$SLURMD_NODENAME
[[ ! -e $here/hangs ]] || {{ trap '' TERM; exec sleep 600; }}
[[ ! -e $here/fails ]] || {{ echo 'Unable to determine the device handle: GPU is lost'; exit 15; }}
case "$*" in
  *remapped*) cat "$here/remapped" ;;
  *) cat "$here/gpus" ;;
esac
"""
CONF = """
SLURM_BIN={folder}/bin
GPUS={gpus} FABRIC_MANAGER=1 EFA_DEVICES={cards} LUSTRE=/fsx SCRATCH=/scratch
SECONDS_EACH=1 GPU_SECONDS=2 CLOCK_TRIES=1
SYSFS={folder}/$SLURMD_NODENAME/sys PROCFS={folder}/$SLURMD_NODENAME/proc
"""
SYSTEMCTL = """#!/bin/bash
# systemctl is-active nvidia-fabricmanager
[[ ! -e {folder}/$SLURMD_NODENAME/no-fabric ]] || {{ echo failed; exit 3; }}
echo active
"""
TIMEDATECTL = """#!/bin/bash
# timedatectl show --property=NTPSynchronized --value
if [[ -e {folder}/$SLURMD_NODENAME/no-time ]]; then echo no; else echo yes; fi
"""
DF = """#!/bin/bash
# df --output=avail --block-size=1M FOLDER
echo Avail
cat "{folder}/$SLURMD_NODENAME/room" 2>/dev/null || echo 50000
"""


class Machine:
    """The shipped prolog beside the description of a node, and nodes that fit it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "constructs_lib" / "boot", folder / "boot")
        conf = CONF.format(folder=folder, gpus=GPUS, cards=CARDS)
        (folder / "boot" / "node.conf").write_text(conf)
        (folder / "bin").mkdir()
        self.command("nvidia-smi", NVIDIA_SMI.format(folder=folder))
        self.command("systemctl", SYSTEMCTL.format(folder=folder))
        self.command("timedatectl", TIMEDATECTL.format(folder=folder))
        self.command("df", DF.format(folder=folder))
        self.command(
            "stat", f"#!/bin/bash\n[[ ! -e {folder}/$SLURMD_NODENAME/stuck ]] || exec sleep 600\n"
        )

    @property
    def prolog(self) -> Path:
        """The script, where a node has it."""
        return self.folder / "boot" / "prolog.sh"

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
        (here / "gpus").write_text("".join(f"{n}, 0\n" for n in range(GPUS)))
        (here / "remapped").write_text("".join(f"0000:{n}:00.0, 0, 0\n" for n in range(GPUS)))
        mounts = "10.0.0.1@tcp:/abcd /fsx lustre rw 0 0\n/dev/md0 /scratch xfs rw 0 0\n"
        (here / "proc" / "mounts").write_text(mounts)
        for card in range(CARDS):
            port = here / "sys" / "class" / "infiniband" / f"rdmap{card}s27" / "ports" / "1"
            port.mkdir(parents=True)
            (port / "state").write_text("4: ACTIVE\n")
