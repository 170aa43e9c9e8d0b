"""A Slurm controller with accounting: Debian's slurmdbd and MariaDB, on loopback; no nodes."""

import os
import pwd
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from tests.training.slurm.cluster import Slurm, free_ports, located, until

CONF: Final = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser={user}
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
ProctrackType=proctrack/linuxproc
CommunicationParameters=NoInAddrAny
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database}
AccountingStoragePass={folder}/munge/socket
{settings}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1
PartitionName=train Nodes=n1 Default=YES AllowAccounts=research
PartitionName=prepare Nodes=n1
"""
DBD: Final = """
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={database}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
LogFile={folder}/log/slurmdbd
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadb}
StorageUser=root
StorageLoc=slurm
"""


class Accounting(Slurm):
    """The controller, its database, and the folder that a login node has; all ends with it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder, prolog=Path("/bin/true"))
        self.settings = settings

    def configuration(self, known: Mapping[str, object]) -> str:
        """Return the file of the controller."""
        return CONF.format(**known)

    def __enter__(self) -> Self:
        """Start them, and wait until accounting answers."""
        for name in ("etc", "state", "spool", "log"):
            (self.folder / name).mkdir()
        controller, database, mariadb = free_ports(3)
        known = {
            "folder": self.folder,
            "host": socket.gethostname().partition(".")[0],
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "controller": controller,
            "database": database,
            "mariadb": mariadb,
            "settings": "\n".join(f"{name}={value}" for name, value in self.settings.items()),
        }
        self.conf.write_text(self.configuration(known))
        dbd = self.conf.with_name("slurmdbd.conf")
        dbd.write_text(DBD.format(**known))
        dbd.chmod(0o600)
        try:
            self.start_munge()
            self._mariadb(mariadb)
            self._start("slurmdbd", "slurmdbd", "-D")
            until("slurmdbd", lambda: self._answers("sacctmgr", "show", "cluster"))
            self.ask("sacctmgr", "--immediate", "add", "cluster", "test")
            self._start("slurmctld", "slurmctld", "-D")
            until("slurmctld", lambda: self._answers("sinfo"))
        except BaseException:
            self.stop()
            raise
        return self

    def _mariadb(self, port: int) -> None:
        data, user = self.folder / "mariadb", f"--user={pwd.getpwuid(os.getuid()).pw_name}"
        subprocess.run(
            [
                located("mariadb-install-db"),
                "--no-defaults",
                user,
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )
        at = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={data}/socket"]
        places = [f"--datadir={data}", f"--pid-file={data}/pid"]
        self._start("mariadb", "mariadbd", "--no-defaults", user, *at, *places)
        until("MariaDB", (data / "socket").exists)
        # slurmdbd would make it, and then trips over its own second connection (libmariadb 3.4.9).
        client = [located("mariadb"), "--no-defaults", f"--socket={data}/socket", "--user=root"]
        subprocess.run([*client, "--execute=create database slurm"], check=True)

    def _answers(self, *command: str) -> bool:
        done = subprocess.run(command, env=self.environment(), capture_output=True, check=False)
        return done.returncode == 0

    def submitted(self, user: str, *options: str) -> str:
        """Submit a job that stays pending as a user; return what `sbatch` says, `""` if taken."""
        command = ["sbatch", f"--uid={user}", "--hold", "--chdir=/", *options, "--wrap=true"]
        done = subprocess.run(
            command, env=self.environment(), text=True, capture_output=True, check=False
        )
        return done.stderr.strip() if done.returncode else ""
