#!/usr/bin/python3
"""Mounts the file system of homes (Amazon EFS) at /home, which hides what the image has there.

The boot runs it before it makes users, and again at every boot. The homes of the image's own users
(ubuntu, ec2-user) are copied once, by whichever node is first; nothing that is there is replaced.
AWS's helper mounts: TLS, and the role of the node (EFS user guide, mounting with IAM, read
2026-11-27). It resolves the file system's name in the VPC and asks no service of AWS.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time

import readings
from readings import ROOT, CommandError

FOLDER = "/home"
OPTIONS = "_netdev,noresvport,tls,iam"
TRIES = 6
"""A new mount target's name is known within a minute or two (EFS user guide, mount helper)."""


def mount(source: str) -> None:
    """Mount it now and at every later boot.

    Raises:
        CommandError: where it cannot be.
    """
    row = f"{source}:/ {FOLDER} efs {OPTIONS} 0 0\n"
    if row not in readings.read(ROOT + "/etc/fstab"):
        with open(ROOT + "/etc/fstab", "a") as fstab:
            fstab.write(row)
    os.makedirs(ROOT + FOLDER, exist_ok=True)
    for left in reversed(range(TRIES)):
        if readings.mounted(FOLDER):
            return
        try:
            readings.said("mount", FOLDER)
        except CommandError:
            if not left:
                raise
            time.sleep(float(os.environ.get("PAUSE", "10")))


def keep(below: str) -> None:
    """Copy each home that the image has and the file system has not, with owners and modes."""
    for name in os.listdir(below):
        home, kept = f"{below}/{name}", f"{ROOT}{FOLDER}/{name}"
        if not os.path.isdir(home) or os.path.lexists(kept):
            continue
        # Whole, or not there: another node may copy at the same time, and this one may end.
        partial = tempfile.mkdtemp(prefix=f".{name}-", dir=ROOT + FOLDER)
        try:
            readings.said("cp", "--archive", f"{home}/.", partial)
            os.rename(partial, kept)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            if not os.path.isdir(kept):
                raise


def main() -> None:
    """Mount it, and show the image's own folder for as long as homes are copied."""
    mount(readings.settings()["HOMES"])
    root = tempfile.mkdtemp()
    readings.said("mount", "--bind", ROOT or "/", root)
    try:
        keep(root + FOLDER)
    finally:
        readings.said("umount", root)
        os.rmdir(root)


if __name__ == "__main__":
    try:
        main()
    except Exception as problem:  # the check finds what is not mounted; here is why
        readings.tell(f"homes: {FOLDER}: {problem}")
        sys.exit(1)
