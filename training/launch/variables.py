"""What each variable of a job's environment does to a job over EFA, by version of aws-ofi-nccl.

The one source: `ultracluster/catalogue/job_environment.json`, which `ultracluster audit` reads,
is written from here by `facts/job_environment.py`, and a test compares them. It stands on this side
because the container needs it and carries nothing else of this repository; the audit needs data.

Sources, all read 2026-11-24:

* cheat sheet: aws/aws-ofi-nccl doc/efa-env-var.md at 2daf7d30 (2026-08-21)
* plugin: aws/aws-ofi-nccl, the file named, at v1.21.1 (2026-08-19) or the tag named
* NCCL: NVIDIA/nccl docs/userguide/source/env.rst at 5067397c (2026-06-11), or the file named
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from training.launch.versions import Version, version

Standing = Literal[
    "off-fabric", "verbs", "obsolete", "corrupting", "forced", "overriding", "slowing", "unfit",
    "needed", "nameless",
]  # fmt: skip
"""What setting it means: keeps the job off EFA; belongs to libibverbs; has no use any more; can
corrupt data; forces what is better chosen; replaces what the plugin tunes; closes a direct path; is
not known to this version; is needed by this version; names nothing that anybody reads."""

SHEET: Final = "aws-ofi-nccl doc/efa-env-var.md, 2026-08-21"
NCCL: Final = "NCCL user guide, environment variables, 2026-06-11"
PLATFORM: Final = "aws-ofi-nccl v1.21.1 src/platform-aws.cpp, 2026-08-19"
NET: Final = "NVIDIA/nccl src/plugin/net.cc, 2026-06-11"
PARAMETERS: Final = "aws-ofi-nccl v1.21.1 include/nccl_ofi_param.h, 2026-08-19"


@dataclass(frozen=True, slots=True)
class Row:
    """What one variable, with such a value, means to versions of the plugin in a range."""

    name: str
    """Its name; `*` at the end stands for any ending."""
    standing: Standing
    """What setting it means."""
    why: str
    """What happens, as the rest of "NAME=VALUE: ..."."""
    fix: str
    """What to write instead."""
    source: str
    """Document and date."""
    value: str = ""
    """Regular expression that the whole value matches, in any case; empty for any value."""
    since: str = ""
    """First plugin version that this is true of; empty for all."""
    before: str = ""
    """First plugin version that this is no longer true of; empty for none."""

    def names(self, name: str) -> bool:
        """Whether a variable is meant."""
        if self.name.endswith("*"):
            return name.startswith(self.name[:-1])
        return name == self.name

    def means(self, value: str) -> bool:
        """Whether a value is meant."""
        return not self.value or re.fullmatch(self.value, value, re.IGNORECASE) is not None

    def holds(self, plugin: Version | None) -> bool | None:
        """Whether it is true of a version; None where that depends on an unknown version.

        An unknown version is taken for one of today: what began at some version holds, what
        ended at some version cannot be told.
        """
        if plugin is None:
            return None if self.before else True
        since, before = version(self.since), version(self.before)
        return (since is None or plugin >= since) and (before is None or plugin < before)


REMOVE: Final = "remove it"
TABLE: Final = (
    Row("FI_PROVIDER", "off-fabric", "libfabric is told to use another provider than efa",
        "remove it, or write efa", SHEET, value=r"(tcp|sockets|udp|shm|verbs|psm\w*)\b.*"),
    Row("NCCL_NET", "off-fabric", "NCCL uses its own transport over TCP and never loads the plugin",
        "remove it, or write AWS Libfabric", NCCL, value="socket"),
    Row("NCCL_NET", "off-fabric", "NCCL uses its own InfiniBand transport, which EFA is not",
        "remove it, or write AWS Libfabric", NCCL, value="ib"),
    Row("NCCL_NET_PLUGIN", "off-fabric", "NCCL loads no plugin and falls back to TCP",
        "remove it, or write ofi", NET, value="none"),
    Row("OFI_NCCL_DISABLE", "nameless", "the plugin has no such parameter", REMOVE, PARAMETERS),
    Row("RDMAV_*", "verbs", "it is a variable of rdma-core, which breaks things on newer kernels; "
        "the plugin makes fork safe by itself",
        "remove it, and write FI_EFA_USE_HUGE_PAGE=0 where the data loader forks", SHEET),
    Row("FI_PROVIDER", "needed", "the plugin up to 1.5 takes any provider",
        "write FI_PROVIDER=efa", SHEET, value="efa", before="1.6.0"),
    Row("FI_PROVIDER", "obsolete", "the plugin finds EFA by itself since 1.6.0; harmless",
        REMOVE, SHEET, value="efa", since="1.6.0"),
    Row("FI_EFA_USE_DEVICE_RDMA", "needed", "libfabric before 1.18 uses RDMA only when told",
        "write FI_EFA_USE_DEVICE_RDMA=1", SHEET, value="1|on|true|yes", before="1.7.0"),
    Row("FI_EFA_USE_DEVICE_RDMA", "obsolete", "libfabric 1.18 with the plugin from 1.7.0 on "
        "decides by itself; harmless on P4d and P5",
        REMOVE, SHEET, value="1|on|true|yes", since="1.7.0"),
    Row("FI_EFA_USE_DEVICE_RDMA", "slowing", "GPUs reach the network card through host memory, "
        "and on P4d and later the plugin refuses to start without GPUDirect",
        REMOVE, PLATFORM, value="0|off|false|no"),
    Row("FI_EFA_FORK_SAFE", "obsolete", "the plugin sets it since 1.2.0 at the latest",
        REMOVE, SHEET, since="1.2.0"),
    Row("FI_EFA_ENABLE_SHM_TRANSFER", "obsolete", "libfabric ignores it, for the plugin forbids it "
        "to call CUDA", REMOVE, SHEET),
    Row("NCCL_SOCKET_NTHREADS", "obsolete", "it tunes TCP sockets, which EFA does not use",
        REMOVE, SHEET),
    Row("NCCL_NSOCKS_PERTHREAD", "obsolete", "it tunes TCP sockets, which EFA does not use",
        REMOVE, SHEET),
    Row("NCCL_IB_DISABLE", "obsolete", "it concerns NCCL's own InfiniBand transport, which EFA is "
        "not", REMOVE, NCCL),
    Row("NCCL_IB_GDR_LEVEL", "obsolete", "NCCL 2.4.0 renamed it to NCCL_NET_GDR_LEVEL",
        REMOVE, NCCL),
    Row("NCCL_PROTO", "needed", "the plugin up to 1.5 leaves LL and LL128 on, which EFA does not "
        "order", "write NCCL_PROTO=simple", SHEET, value="simple", before="1.6.0"),
    Row("NCCL_PROTO", "corrupting", "LL and LL128 need bytes to arrive in order, which EFA does "
        "not promise everywhere; the plugin forces simple where it must, and a value of the job "
        "takes that away", REMOVE, f"{NCCL}; {PLATFORM}", value=r"(?!\^).*\bll(128)?\b.*"),
    Row("NCCL_PROTO", "forced", "LL and LL128 are lost also inside the node and where the card "
        "keeps order; the plugin sets simple by itself where it must",
        REMOVE, f"{SHEET}; {PLATFORM}", value=r"simple", since="1.6.0"),
    Row("NCCL_PROTO", "forced", "NCCL and the plugin's tuner no longer choose",
        REMOVE, NCCL, value=r"\^.*"),
    Row("NCCL_ALGO", "forced", "the tuner no longer chooses, and before 1.20.0 it may crash",
        "remove it", "aws-ofi-nccl v1.20.0 RELEASENOTES.md, 2026-06-24"),
    Row("NCCL_BUFFSIZE", "overriding", "the plugin sets 8 MiB on P4d and later",
        REMOVE, f"{SHEET}; {PLATFORM}", value=r"(?!8388608$).*"),
    Row("NCCL_BUFFSIZE", "obsolete", "it is what the plugin sets by itself",
        REMOVE, PLATFORM, value="8388608"),
    Row("NCCL_P2P_NET_CHUNKSIZE", "overriding", "the plugin sets 512 KiB on P4d and later",
        REMOVE, PLATFORM, value=r"(?!524288$).*"),
    Row("NCCL_P2P_NET_CHUNKSIZE", "obsolete", "it is what the plugin sets by itself",
        REMOVE, PLATFORM, value="524288"),
    Row("NCCL_MIN_NCHANNELS", "overriding", "more channels mean smaller messages, which starve "
        "EFA; P4d takes 8 by itself", REMOVE, SHEET),
    Row("NCCL_MIN_CTAS", "overriding", "more channels mean smaller messages, which starve EFA; "
        "P4d takes 8 by itself", REMOVE, f"{SHEET}; {NCCL}"),
    Row("NCCL_MIN_CHANNELS", "nameless", "NCCL reads NCCL_MIN_NCHANNELS, which is better left "
        "alone, too", REMOVE, "NVIDIA/nccl src/graph/connect.cc, 2026-06-11"),
    Row("NCCL_TOPO_FILE", "overriding", "the plugin hands NCCL the instance type's own topology "
        "on P4d, P4de and G5 and leaves it when the job names another", REMOVE, PLATFORM),
    Row("NCCL_P2P_DISABLE", "slowing", "GPUs of a node no longer reach each other over NVLink",
        REMOVE, NCCL, value="1"),
    Row("NCCL_SHM_DISABLE", "slowing", "what is not NVLink goes through the network inside a node",
        REMOVE, NCCL, value="1"),
    Row("NCCL_NET_GDR_LEVEL", "slowing", "GPUDirect RDMA is never used",
        REMOVE, NCCL, value="loc|0"),
    Row("NCCL_NET_GDR_READ", "slowing", "what a GPU sends is copied through host memory first",
        REMOVE, NCCL, value="0"),
    Row("OFI_NCCL_DISABLE_GDR_REQUIRED_CHECK", "slowing", "a node without GPUDirect joins the job "
        "and slows everybody, where it would be refused", REMOVE, PARAMETERS,
        value="1|on|true|yes", since="1.8.0"),
    Row("OFI_NCCL_ENDPOINT_PER_COMM", "obsolete", "the plugin ignores it since 1.19.0",
        REMOVE, PARAMETERS, since="1.19.0"),
    Row("NCCL_NET", "unfit", "before 1.13.0 the plugin is called AWS Libfabric, so NCCL finds no "
        "network", "write AWS Libfabric, which every version answers to",
        "aws-ofi-nccl 7c014f0d, first in v1.13.0", value="libfabric|ofi", before="1.13.0"),
    Row("NCCL_NET_PLUGIN", "unfit", "before 1.15.0 there is no libnccl-net-ofi.so, so NCCL falls "
        "back to TCP", REMOVE, "aws-ofi-nccl pull request 918, v1.15.0, 2025-06-03",
        value="ofi|(.*/)?libnccl-net-ofi.so", before="1.15.0"),
)  # fmt: skip
"""Rows are asked in this order; every row of a variable that holds is true."""


def rows(name: str, value: str, plugin: Version | None) -> Iterator[tuple[Row, bool | None]]:
    """Yield what is true of a variable, and what depends on the plugin's version (None)."""
    for row in TABLE:
        if row.names(name) and row.means(value):
            held = row.holds(plugin)
            if held is not False:
                yield row, held


def missing(environment: Mapping[str, str], plugin: Version | None) -> Iterator[Row]:
    """Yield what this version of the plugin needs and the environment lacks."""
    for row in TABLE:
        if row.standing == "needed" and plugin is not None and row.holds(plugin):
            given = environment.get(row.name)
            if given is None or not row.means(given):
                yield row


def as_data() -> list[dict[str, Any]]:
    """Return the table as plain values, for the audit's copy of it."""
    return [asdict(row) for row in TABLE]
