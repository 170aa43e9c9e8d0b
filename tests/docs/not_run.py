"""Command lines of pages that no test types, and why none can."""

from typing import Final

HARDWARE: Final = "asks a driver of NVIDIA, EFA or Lustre, which no machine of the tests has"
SYSTEMD: Final = "asks systemd or the kernel of a node; `rehearse --nodes` boots one"
INSTALLS: Final = "installs packages on the machine that runs the tests, from outside of it"
LONG: Final = "takes minutes to hours, and has a test of its own for a part of it"
GPUS: Final = "trains on GPUs; the same program trains on processors in tests/training"
NOT_RUN: Final = {
    r"^make (test|golden|mutants|bench|setup)": "what runs the tests, or what they run",
    r"^make (campaign|rehearse|image-rehearsal|planner-rehearsals)": LONG,
    r"^ultracluster rehearse ": LONG,
    r"apt-get install|^pip install|git clone|/prepare\.sh|^npm install|uv(x| tool)": INSTALLS,
    r"\b(fi_info|rdma|lfs|chronyc|nvidia-smi)\b": HARDWARE,
    r"\b(journalctl|dmesg|systemctl)\b": SYSTEMD,
    r"^srun .*training|^torchrun|training\.launch (check|rank)|training\.train\b": GPUS,
    r"ACTIONS_ID_TOKEN": "asks GitHub, inside of a workflow",
    r"^du -xsh": "reads every file of the machine",
    r"fish": "fish is not among the programs of the tests",
    r"training\.image\.build sagemaker": "pulls AWS's base image from its registry",
    r"training\.launch rehearse": LONG,
    r"^aws ec2 get-console-output": "the emulated AWS has no console of an instance",
    r"^aws imagebuilder": "the emulated AWS knows Image Builder by its schema alone",
    r"^aws ec2 purchase-capacity-block": "buys a Capacity Block: the emulated AWS sells none",
}
"""By a regular expression that is found in the line. A row that excuses nothing fails a test."""
