"""Run Command on emulated instances: a program given by the caller answers.

MiniStack keeps commands and their states, and would run them in containers. Here a program gets an
instance's id as its argument and the script on standard input: tests answer as a node would, and
a rehearsal's program hands it to a virtual machine. A reboot is a script as well. What MiniStack
forgets of an instance's launch is kept: its placement group.
"""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from ultracluster.emulator import wire
from ultracluster.emulator.faults import Faults, InjectedFaultError
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import Response
from ultracluster.emulator.pcs_nodes import INSTANCE, LAUNCH
from ultracluster.emulator.process import REBOOT

SECONDS: Final = 1800
"""As long as `ultracluster.run_command` lets a command run."""
NO_NODE: Final = 255
REFUSED: Final = 400


def install(program: str | None) -> None:
    """Let a program run what is sent to instances; without one, no instance takes commands."""
    _keep_groups()
    if program is None:
        return

    def run(instance_id: str, argv: Sequence[str]) -> tuple[int, str, str]:
        try:
            done = subprocess.run(
                [program, instance_id],
                input=argv[-1],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return NO_NODE, "", str(error)
        return done.returncode, done.stdout, done.stderr

    actions = internals.ec2._ACTION_MAP
    accepted = actions["RebootInstances"]

    def reboot(flat: wire.Flat) -> Response:
        response: Response = accepted(flat)
        if response[0] < REFUSED:
            for each in wire.ec2_arguments("RebootInstances", flat)["InstanceIds"]:
                threading.Thread(target=run, args=(each, [REBOOT]), daemon=True).start()
        return response

    actions["RebootInstances"] = reboot
    internals.ec2.instance_is_managed = lambda each: (
        internals.ec2._instances.get(each, {}).get("State", {}).get("Name") == "running"
    )
    internals.ec2.exec_in_instance_blocking = run


def _keep_groups() -> None:
    """Let an instance be described in the placement group that it was launched in."""
    actions, shown = internals.ec2._ACTION_MAP, internals.ec2._instance_xml
    launch = actions["RunInstances"]

    def run(flat: wire.Flat) -> Response:
        status, headers, body = launch(flat)
        group = wire.ec2_arguments("RunInstances", flat).get("Placement", {}).get("GroupName")
        if status < REFUSED and group:
            for row in wire.ec2_result("RunInstances", status, body)["Instances"]:
                internals.ec2._instances[row["InstanceId"]]["Placement"]["GroupName"] = group
        return status, headers, body

    def with_group(instance: Mapping[str, Any]) -> str:
        text, group = str(shown(instance)), instance["Placement"].get("GroupName")
        name = f"<groupName>{escape(group)}</groupName>" if group else ""
        return text.replace("<tenancy>", f"{name}<tenancy>", 1)

    actions["RunInstances"] = run
    internals.ec2._instance_xml = with_group


def let_launches_fail(faults: Faults) -> None:
    """Let launches fail; the group stays as it is, with fewer instances than it wants."""
    inner = internals.autoscaling._reconcile_instances

    def reconcile(group: dict[str, Any]) -> None:
        reached = len(group["Instances"])
        try:
            while reached < group["DesiredCapacity"]:
                faults.check(INSTANCE, LAUNCH, group["AutoScalingGroupName"])
                reached += 1
        except InjectedFaultError:
            inner({**group, "DesiredCapacity": reached})
        else:
            inner(group)

    internals.autoscaling._reconcile_instances = reconcile
