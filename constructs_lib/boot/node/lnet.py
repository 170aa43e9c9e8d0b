#!/usr/bin/python3
"""Lets Lustre's client speak EFA: gives its network (LNet) EFA devices, before it is first loaded.

The boot runs it where the file system is EFA-enabled (LUSTRE_EFA in node.conf), at every boot. The
mount goes on naming TCP: client and servers tell each other their EFA addresses over it, and then
take those. Deep Learning AMIs have the modules. The steps are those of AWS's own script (FSx for
Lustre guide, "Configuring EFA clients"; EKS user guide, "Optimize Amazon FSx for Lustre performance
on nodes (EFA)"; both read 2026-11-27), which is fetched from a web site, and a closed network has
none.
"""

from __future__ import annotations

import glob
import os
import sys

import readings
from readings import ROOT

CREDITS = "32"
"""Messages that may be on their way to a server, as the guide has it."""
ADDED = "already"
"""What lnetctl says of something that an earlier run has set up."""


def chosen(devices: list[str], count: int) -> list[str]:
    """Return so many devices, spread over all of them: over the buses, then."""
    return devices[:: max(1, len(devices) // count)][:count]


def devices() -> list[str]:
    """Return the EFA devices of the node, by name."""
    drivers = {
        os.path.basename(path): os.path.basename(os.path.realpath(path + "/device/driver"))
        for path in glob.glob(ROOT + "/sys/class/infiniband/*")
    }
    return sorted(name for name, driver in drivers.items() if driver == "efa")


def wait_for_the_boot() -> None:
    """Have the system leave the mount to the boot: its own comes before this, and over TCP."""
    fstab = ROOT + "/etc/fstab"
    rows = readings.read(fstab)
    with open(fstab, "w") as file:
        file.write(rows.replace(" lustre _netdev,", " lustre noauto,_netdev,"))


def set_up(count: int) -> None:
    """Load LNet with TCP, add EFA, and have EFA preferred.

    Raises:
        CommandError: where a step fails; the client then mounts over TCP.
    """
    route = readings.said("ip", "-4", "-o", "route", "show", "default").split()
    primary = route[route.index("dev") + 1]
    for module in (["lnet"], ["kefalnd", f"ipif_name={primary}"], ["ksocklnd"]):
        readings.said("modprobe", *module)
    readings.said("lnetctl", "lnet", "configure")
    _once("net", "add", "--net", "tcp", "--if", primary)
    for device in chosen(devices(), count):
        _once("net", "add", "--net", "efa", "--if", device, "--peer-credits", CREDITS)
    readings.said("lnetctl", "set", "discovery", "1")
    _once("udsp", "add", "--src", "efa", "--priority", "0")


def _once(*words: str) -> None:
    try:
        readings.said("lnetctl", *words)
    except readings.CommandError as error:
        if ADDED not in error.text:
            raise


if __name__ == "__main__":
    try:
        wait_for_the_boot()
        set_up(int(readings.settings()["LUSTRE_EFA"]))
    except Exception as problem:
        readings.tell(f"lnet: Lustre goes over TCP: {problem}")
        sys.exit(1)
