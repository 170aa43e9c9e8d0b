"""What can go wrong in a cluster, and the alarms that must say so."""

from collections.abc import Mapping
from itertools import count
from typing import Final

from tests.observe.hour import Cluster, Fault, Planted
from tests.observe.node import START

XID = "kernel: NVRM: Xid (PCI:0000:10:1c): {}, pid=1, {}\n"


def _lost(cluster: Cluster) -> None:
    del cluster.nodes[0].gpus[3]


def _log(number: int, text: str = "name=python", times: int = 1) -> Fault:
    def plant(cluster: Cluster) -> None:
        cluster.nodes[0].answers["journalctl"] = XID.format(number, text) * times

    return plant


def _gpu(**fields: str) -> Fault:
    names = {name.replace("__", "."): value for name, value in fields.items()}
    return lambda cluster: cluster.nodes[0].gpu(2, **names)


def _answers(node: int | None, command: str, text: str | Exception) -> Fault:
    def plant(cluster: Cluster) -> None:
        chosen = cluster.login if node is None else cluster.nodes[node]
        assert chosen is not None
        chosen.answers = {command: text, **chosen.answers} | {command: text}

    return plant


def _hangs(collector: str) -> Fault:
    return lambda cluster: cluster.nodes[1].hung.add(collector)


def _set(**values: float) -> Fault:
    return lambda cluster: cluster.job.update(values)


def _full(mount: str, left: float) -> Fault:
    return lambda cluster: setattr(cluster.nodes[0], "rooms", {mount: left})


def _drops(cluster: Cluster) -> None:
    numbers = count(12, 600)
    cluster.goes_on.append(lambda c: c.nodes[0].counter(1, "rx_drops", next(numbers)))


def _behind(cluster: Cluster) -> None:
    assert cluster.login is not None
    sizes = count(50, -12)

    def answer(after: Cluster) -> None:
        assert after.login is not None
        text = f"DBD Agent queue size:   {max(next(sizes), 0)}\n"
        after.login.answers["sdiag"] = text

    cluster.goes_on.append(answer)


FAULTS: Final[Mapping[str, Planted]] = {
    "a GPU is gone": Planted(("gpu-lost",), _lost),
    "a GPU requires a reset": Planted(
        ("gpu-cannot-answer",),
        _gpu(ecc__errors__uncorrected__volatile__total="[GPU requires reset]"),
    ),
    "an uncorrected memory error": Planted(
        ("gpu-memory-errors",), _gpu(ecc__errors__uncorrected__volatile__total="2")
    ),
    "a row waits to be remapped": Planted(("gpu-memory-errors",), _gpu(remapped_rows__pending="1")),
    "a GPU is too hot": Planted(
        ("gpu-throttled",), _gpu(clocks_throttle_reasons__hw_thermal_slowdown="Active")
    ),
    "NVLink errors": Planted(
        ("gpu-links",), _answers(0, "nvidia-smi nvlink", "GPU 0: A100\n\t Link 3: CRC Errors: 9\n")
    ),
    "Xid 48": Planted(("xid-needs-action",), _log(48)),
    "Xid 79": Planted(("xid-needs-action",), _log(79)),
    "Xid 154 says reboot": Planted(
        ("xid-needs-action",),
        _log(154, "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"),
    ),
    "Xid 154 takes it back": Planted(
        (), _log(154, "GPU recovery action changed from 0x2 (GPU Reset Required) to 0x0 (None)")
    ),
    "programs fault again and again": Planted(("xid-of-programs",), _log(13, times=6)),
    "one program faults": Planted((), _log(31)),
    "an EFA port is down": Planted(("efa-down",), lambda c: c.nodes[1].port(2, "1: DOWN")),
    "an EFA device drops packets": Planted(("efa-drops",), _drops),
    "Lustre is not mounted": Planted(("lustre-away",), lambda c: c.nodes[0].mount("/other nfs")),
    "Lustre hangs": Planted(("lustre-away",), _hangs("lustre")),
    "Lustre is nearly full": Planted(("lustre-nearly-full",), _full("/fsx", 0.04)),
    "one disk of Lustre is full": Planted(
        ("lustre-nearly-full",),
        _answers(0, "lctl get_param -n osc.*.kbytesavail", "990\n20\n"),
    ),
    "the scratch disk is full": Planted(("disk-full",), _full("/scratch", 0.01)),
    "memory is short": Planted(("memory-short",), lambda c: c.nodes[0].memory(available=9000)),
    "the clock drifts": Planted(("clock-drifts",), _answers(0, "timedatectl", "no\n")),
    "nvidia-smi hangs": Planted(("metrics-missing",), _hangs("gpus")),
    "a node is drained": Planted(
        ("node-out-of-service",), _answers(None, "sinfo", "n1|drained|prolog: ECC\nn2|idle|none\n")
    ),
    "a node does not answer": Planted(
        ("node-out-of-service",), _answers(None, "sinfo", "n1|allocated*|none\nn2|idle|none\n")
    ),
    "the controller is silent": Planted(
        ("slurm-silent",), _answers(None, "sinfo", OSError("sinfo ended with 1"))
    ),
    "slurmdbd is gone": Planted(
        ("accounting-stuck",), _answers(None, "sdiag", "DBD Agent queue size:   41\n")
    ),
    "slurmdbd is behind for a minute": Planted((), _behind),
    "the image is half a year old": Planted(
        ("image-old",), lambda c: c.nodes[1].made(START - 180 * 86400)
    ),
    "the login node is gone": Planted(("login-unreachable",), lambda c: setattr(c, "login", None)),
    "a job asks for too much": Planted(
        ("job-cannot-start",),
        _answers(None, "squeue", "PENDING|train|eve|PartitionNodeLimit\n"),
        seconds=1200,
    ),
    "a rank hangs": Planted(("job-hangs",), lambda c: c.frozen.add(3)),
    "a rank is slow": Planted(("job-straggles",), lambda c: c.busy.__setitem__(2, 4.9)),
    "MFU falls": Planted(("job-below-plan",), _set(mfu_ratio=0.2), seconds=1500),
    "the loss is NaN": Planted(("loss-not-finite",), _set(loss_finite=0)),
    "no checkpoint is committed": Planted(
        ("checkpoint-overdue",), lambda c: setattr(c, "saves", False), seconds=1200
    ),
}
