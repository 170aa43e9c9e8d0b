"""One virtual machine: QEMU, a root file system of its own, and commands by the guest agent."""

import base64
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from ultracluster.exit_status import CommandError
from ultracluster.rehearse.machine.image import PROCESSORS, Image, accelerator, located
from ultracluster.run_command import CommandResult
from ultracluster.waiting import until

BOOT_SECONDS: Final = 1800.0
"""A boot takes one to three minutes where QEMU emulates instructions; more on a busy machine."""
BOOT_ID: Final = "cat /proc/sys/kernel/random/boot_id"
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 2.0
SYNC_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
"""For what is asked once: asked again, a command would run twice."""
DISK: Final = 1 << 30
MEMORY_MIB: Final = 1024
GATEWAY: Final = "10.77.0.254"
"""Where a subnet's router would be; nothing answers there."""
COMMAND_LINE: Final = (
    "root=/dev/vda rootfstype=ext4 rw console=ttyS0 net.ifnames=0 systemd.show_status=no quiet "
    # What guards against whom nobody is here.
    "mitigations=off apparmor=0 selinux=0 init_on_alloc=0 "
    "no_timer_check"  # on a busy machine the emulated timer is late, and not broken
)
T = TypeVar("T")


class MachineError(CommandError):
    """A machine that does not do what machines do; the message ends with its console."""


class AgentError(MachineError):
    """A question that the guest agent refuses: of a command of before a reboot, for example."""


@dataclass(frozen=True)
class Hardware:
    """What a machine is made of.

    Args:
        name: its host name.
        user_data: what cloud-init gets.
        address: its IPv4 address with the prefix length.
        port: of the multicast group on loopback that is the network of machines.
        shared: folder of the host in the place of Lustre.
        homes: folder of the host in the place of EFS.
        disks: NVMe disks.
        disk_bytes: size of each; they take room on the host as they are written.
        files: more files of its root, by path.
    """

    name: str
    user_data: str
    address: str
    port: int
    shared: Path
    homes: Path
    disks: int = 2
    disk_bytes: int = DISK
    files: Mapping[str, str] = field(default_factory=dict)


class Machine:
    """A machine that runs for as long as the context lasts."""

    def __init__(self, image: Image, hardware: Hardware) -> None:
        self._image, self.hardware = image, hardware
        self.name = hardware.name
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="ultracluster-machine-")
        self._folder = Path(self._temporary.name)
        self._write_root()
        for disk in range(self.hardware.disks):
            with (self._folder / f"nvme{disk}.img").open("wb") as file:
                file.truncate(self.hardware.disk_bytes)
        module = [sys.executable, "-P", "-m", "ultracluster.child_process"]
        self._log = self._folder / "qemu.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*module, *self._command()],
                stdin=subprocess.PIPE,  # the machine ends when this is closed
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.power_off()
        self._temporary.cleanup()

    def power_off(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _write_root(self) -> None:
        """Copy the image's root and write into it what this machine alone has."""
        root = self._folder / "root.img"
        # Sparse, as the image is.
        copy = ["/bin/cp", "--sparse=always", "--reflink=auto", str(self._image.root), str(root)]
        subprocess.run(copy, check=True)
        seed, name = "/var/lib/cloud/seed/nocloud", self.name
        files = {
            f"{seed}/user-data": self.hardware.user_data,
            f"{seed}/meta-data": f"instance-id: i-{name}\nlocal-hostname: {name}\n",
            "/etc/systemd/network/10-machines.network": (
                f"[Match]\nName=eth0\n[Network]\nAddress={self.hardware.address}\n"
                f"Gateway={GATEWAY}\nLinkLocalAddressing=no\n"
            ),
            **self.hardware.files,
        }
        commands: dict[str, None] = {}
        for number, (path, text) in enumerate(files.items()):
            source = self._folder / f"file{number}"
            source.write_text(text)
            commands |= dict.fromkeys(f"mkdir {each}" for each in Path(path).parents[-2::-1])
            commands |= dict.fromkeys((f"rm {path}", f"write {source} {path}"))
        script = self._folder / "debugfs"
        script.write_text("\n".join(commands) + "\n")
        # Folders that are there and files that are not are said, and no mistake.
        debugfs = located("debugfs") or "debugfs"
        subprocess.run([debugfs, "-w", "-f", script, root], capture_output=True, check=True)

    def _command(self) -> list[str]:
        machine = self.hardware
        mac = f"52:54:00:00:00:{int(machine.address.partition('/')[0].rpartition('.')[2]):02x}"
        accelerated = accelerator(self._image)
        command = ["qemu-system-x86_64", "-accel", accelerated, "-cpu", PROCESSORS[accelerated]]
        command += ["-m", str(MEMORY_MIB), "-smp", "1", "-nodefaults", "-no-user-config"]
        command += ["-display", "none", "-kernel", str(self._image.kernel)]
        command += ["-initrd", str(self._image.initrd), "-append", COMMAND_LINE]
        command += ["-serial", f"file:{self._folder}/console"]
        command += ["-drive", f"file={self._folder}/root.img,format=raw,if=virtio,cache=unsafe"]
        for disk in range(machine.disks):
            image = f"file={self._folder}/nvme{disk}.img,format=raw,if=none,cache=unsafe"
            sparse = "discard=unmap,detect-zeroes=unmap"
            command += ["-drive", f"{image},{sparse},id=disk{disk}"]
            command += ["-device", f"nvme,drive=disk{disk},serial=disk{disk}"]
        network = f"mcast=230.0.0.1:{machine.port},localaddr=127.0.0.1"
        command += ["-netdev", f"socket,id=network,{network}"]
        command += ["-device", f"virtio-net-pci,netdev=network,mac={mac}"]
        # Owners and modes in files of their own: the host's user need not be root.
        for folder, tag in ((machine.shared, "fsx"), (machine.homes, "homes")):
            share = f"path={folder},mount_tag={tag},security_model=mapped-file"
            command += ["-virtfs", f"local,{share}"]
        agent = f"socket,id=agent,path={self._folder}/agent,server=on,wait=off"
        command += ["-device", "virtio-serial-pci", "-chardev", agent]
        command += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
        return [*command, "-device", "virtio-rng-pci"]

    def run(self, command: str, seconds: float = 300.0, *, apart: bool = False) -> CommandResult:
        """Run a command of the shell as root, and return how it ended.

        Args:
            command: what `sh -c` gets.
            seconds: how long it may take.
            apart: whether standard error is kept apart, and both as they are; it is a part of
                standard output otherwise.

        Raises:
            MachineError: where the machine does not answer in that time.
        """
        deadline = time.monotonic() + seconds
        capture = "separated" if apart else "merged"
        argument = {"path": "/bin/sh", "arg": ["-c", command], "capture-output": capture}
        named = {"pid": self._ask("guest-exec", argument, deadline)["pid"]}

        def look() -> Any:
            state = self._ask("guest-exec-status", named, deadline)
            return state if state["exited"] else None

        state = self._until(look, deadline, f"{command!r} did not end within {seconds:.0f} s")
        said, error = (
            base64.b64decode(state.get(name, "")).decode(errors="replace")
            for name in ("out-data", "err-data")
        )
        status = int(state.get("exitcode", 255))
        return CommandResult(status, said if apart else said.strip(), error if apart else "")

    def _until(self, look: Callable[[], T | None], deadline: float, failure: str) -> T:
        """Return what is seen once there is something to see."""
        left = deadline - time.monotonic()
        found = until(look, lambda each: each is not None, left, FIRST_PAUSE, LONGEST_PAUSE)
        if found is None:
            raise self._silent(failure)
        return found

    def ask(self, command: str, seconds: float = 300.0) -> str:
        """Run a command that must end with 0, and return what it says."""
        done = self.run(command, seconds)
        if done.status:
            raise MachineError(f"{self.name}: {command!r} ended with {done.status}: {done.stdout}")
        return done.stdout

    def wait_for_boot(self) -> float:
        """Wait until all that starts at boot has started; return the seconds since power-on.

        Raises:
            MachineError: where it does not come up.
        """

        def look() -> str | None:
            # An agent that was asked before it went down with its machine knows of nothing.
            with suppress(AgentError):
                # Ends with a status other than 0 where a unit has failed, which is for others to
                # judge.
                state = self.run("systemctl is-system-running --wait", BOOT_SECONDS).stdout
                return state if state in ("running", "degraded") else None
            return None

        self._until(look, time.monotonic() + BOOT_SECONDS, "its boot did not end")
        return float(self.ask("cat /proc/uptime").split()[0])

    def reboot(self) -> float:
        """Reboot as an operator does; return the seconds from power-on to the end of the boot."""
        before = self.ask(BOOT_ID, BOOT_SECONDS)
        self.run("systemd-run --on-active=1 systemctl reboot")

        def look() -> str | None:
            # The machine may go down while it is asked.
            with suppress(AgentError):
                now = self.ask(BOOT_ID, BOOT_SECONDS)
                return now if now != before else None
            return None

        self._until(look, time.monotonic() + BOOT_SECONDS, "it did not reboot")
        return self.wait_for_boot()

    def console(self) -> str:
        """Return what the machine has written to its console."""
        file = self._folder / "console"
        return file.read_text(errors="replace") if file.exists() else ""

    def _silent(self, what: str) -> MachineError:
        last = "\n".join((self._log.read_text() + self.console()).splitlines()[-15:])
        return MachineError(f"{self.name}: {what}. Its console ends with:\n{last}")

    def _ask(self, command: str, arguments: Mapping[str, Any], deadline: float) -> Any:
        """Ask the guest agent, as often as it takes: a machine that boots has none yet."""
        while True:
            if self._process.poll() is not None:
                raise self._silent("QEMU has ended")
            with suppress(OSError, ValueError), self._asking:
                return self._answer({"execute": command, "arguments": arguments})
            if time.monotonic() > deadline:
                raise self._silent("it does not answer")
            time.sleep(0.5)

    def _answer(self, question: Mapping[str, Any]) -> Any:
        """Ask once.

        Raises:
            OSError: where nobody answers.
            ValueError: where the answer is no answer to this.
        """
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(SYNC_SECONDS)
            agent.connect(str(self._folder / "agent"))
            lines = agent.makefile("r", errors="replace")
            # What another question left unread comes first.
            number = time.monotonic_ns() % 2**31
            sync = {"execute": "guest-sync", "arguments": {"id": number}}
            agent.sendall(json.dumps(sync).encode() + b"\n")
            while (line := lines.readline()) and json.loads(line).get("return") != number:
                pass
            agent.settimeout(ANSWER_SECONDS)
            agent.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(lines.readline())
        if "return" not in answer:
            raise AgentError(f"{self.name}: the guest agent answers {answer}")
        return answer["return"]
