"""Command lines of pages that no test types, and why none can."""

from typing import Final

HARDWARE: Final = "asks a driver of NVIDIA, EFA or Lustre, which no machine of the tests has"
GPUS: Final = "wants GPUs, eight to a node; tests/training trains on processors"
INSTALLS: Final = "installs packages from outside on the machine that runs the tests"
HOURS: Final = "takes minutes to hours; tests/rehearse and tests/planner do a part of it"
MINUTE: Final = "trains or traces for minutes; tests/training does it with smaller models"
NOT_RUN: Final = {
    r"^make (test|golden|mutants|bench|setup)": "what runs the tests, or what they compare with",
    r"^make (campaign|rehearse|image-rehearsal|planner-rehearsals)": HOURS,
    r"^ultracluster rehearse ": HOURS,
    r"apt-get install|^pip install|git clone|/prepare\.sh|^uvx|-m venv": INSTALLS,
    r"\b(fi_info|rdma|lfs|nvidia-smi)\b": HARDWARE,
    r"\b(journalctl|dmesg|systemctl|chronyc)\b": "asks systemd, the kernel or the clock of a node",
    r"^srun .*training|^torchrun .*training\.train |training\.launch (check|rank)": GPUS,
    r"^python -m training\.train smoke|llama3-smoke|training\.launch rehearse": MINUTE,
    r"ACTIONS_ID_TOKEN": "asks GitHub, inside of a workflow",
    r"training\.image\.build sagemaker": "pulls AWS's base image from its registry",
    r" --(from|metrics) (http|cloudwatch)": "asks for series of nodes, as tests/observe does",
    r" --refresh": "asks AWS's price list over the internet",
    r"^aws imagebuilder": "the emulated AWS knows Image Builder by its schema alone",
    r"^aws ec2 get-console-output": "the emulated AWS has no console of an instance",
    r"^aws ec2 purchase-capacity-block": "buys a Capacity Block: the emulated AWS sells none",
    r"^du -xsh": "reads every file of the machine",
    r"--shell fish": "fish is not among the programs of the tests",
}
"""By a regular expression that is found in the line. A row that excuses nothing fails a test."""
