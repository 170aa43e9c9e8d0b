"""The script that makes the users of a node, with Debian's own useradd in a folder of its own."""

import os
import subprocess
from pathlib import Path

import pytest

from ultracluster.spec.users import GroupSpec, UserSpec, UsersSpec

SCRIPT = Path(__file__).parents[2] / "constructs_lib" / "boot" / "users.sh"
USERS = UsersSpec(
    users=(
        UserSpec(name="alice", uid=2001, groups=("vision",)),
        UserSpec(name="bob", uid=2002),
    ),
    groups=(GroupSpec(name="vision", gid=3001),),
)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make users")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node's root, with the users of a fresh image, and the system's own programs for it."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "fsx").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\n")
    for name in ("shadow", "gshadow"):
        (tmp_path / "etc" / name).write_text(
            "root:*:\n" if name == "gshadow" else "root:*:1::::::\n"
        )
    for name in ("useradd", "groupadd", "usermod"):
        program(tmp_path, name, f'exec /usr/sbin/{name} --prefix {tmp_path} "$@"')
    program(tmp_path, "getent", f'grep "^$2:" {tmp_path}/etc/$1')
    program(tmp_path, "mountpoint", f"[[ $2 == {tmp_path}/fsx ]]")
    return tmp_path


def program(node: Path, name: str, body: str) -> None:
    """Put a program first on the path."""
    file = node / "bin" / name
    file.write_text(f"#!/bin/bash\n{body}\n")
    file.chmod(0o755)


def run(
    node: Path, users: UsersSpec = USERS, *, home_storage: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the script as a node does at boot."""
    (node / "users").write_text(users.unix_lines(home_storage=home_storage))
    path = f"{node / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PATH": path, "HERE": str(node), "ROOT": str(node)}
    return subprocess.run([SCRIPT], env=environment, text=True, capture_output=True, check=False)


def lines(node: Path, name: str) -> set[str]:
    """Return the entries of people in a database of the node."""
    entries = (node / "etc" / name).read_text().splitlines()
    return {entry for entry in entries if not entry.startswith("root:")}


def test_users_have_the_same_numbers_on_every_node(node: Path):
    """Slurm and file systems know them by their numbers."""
    done = run(node)

    assert (done.returncode, done.stderr) == (0, "")
    assert lines(node, "passwd") == {
        "alice:x:2001:2001::/fsx/home/alice:/bin/bash",
        "bob:x:2002:2002::/fsx/home/bob:/bin/bash",
    }
    assert lines(node, "group") == {"alice:x:2001:", "bob:x:2002:", "vision:x:3001:alice"}
    home = (node / "fsx" / "home" / "alice").stat()
    assert (home.st_uid, home.st_gid, oct(home.st_mode)) == (2001, 2001, "0o40700")


def test_a_second_boot_changes_nothing(node: Path):
    """Homes on shared storage are there already when a node is new."""
    run(node)
    (node / "fsx" / "home" / "alice" / "notes").write_text("mine")
    before = {name: lines(node, name) for name in ("passwd", "group")}

    done = run(node)

    assert (done.returncode, done.stderr) == (0, "")
    assert before == {name: lines(node, name) for name in ("passwd", "group")}
    assert (node / "fsx" / "home" / "alice" / "notes").read_text() == "mine"


def test_a_group_that_a_user_leaves_is_left(node: Path):
    """Files of a project are no longer hers."""
    run(node)
    alice, bob = USERS.users
    left = USERS.model_copy(update={"users": (alice.model_copy(update={"groups": ()}), bob)})

    assert run(node, left).returncode == 0

    assert "vision:x:3001:" in lines(node, "group")


def test_a_user_that_is_there_with_another_number_is_said(node: Path):
    """Her files would be somebody else's; nothing is changed under the image's own user."""
    passwd = node / "etc" / "passwd"
    passwd.write_text(f"{passwd.read_text()}alice:x:1005:1005::/home/alice:/bin/bash\n")

    done = run(node)

    assert done.returncode == 1
    assert "user alice has number 1005 instead of 2001" in done.stderr
    assert any(line.startswith("bob:x:2002:") for line in lines(node, "passwd"))


def test_a_number_that_somebody_has_is_said(node: Path):
    """Useradd refuses, and the boot says so instead of going on without the user."""
    passwd = node / "etc" / "passwd"
    passwd.write_text(f"{passwd.read_text()}carol:x:2002:2002::/home/carol:/bin/bash\n")

    done = run(node)

    assert done.returncode == 1
    assert "user bob has number none instead of 2002" in done.stderr


def test_no_home_is_made_where_the_shared_file_system_is_not_mounted(node: Path):
    """It would hide below the mount, and the user would look for her files."""
    program(node, "mountpoint", "false")

    done = run(node)

    assert done.returncode == 1
    assert "/fsx is not mounted; no home is made" in done.stderr
    assert not (node / "fsx" / "home").exists()
    assert any(line.startswith("alice:x:2001:") for line in lines(node, "passwd"))

    program(node, "mountpoint", "true")
    assert run(node).returncode == 0
    assert (node / "fsx" / "home" / "alice" / ".profile").exists()


def test_homes_of_a_nodes_own_need_no_mount(node: Path):
    """Where nothing is shared each node has its own."""
    program(node, "mountpoint", "false")

    assert run(node, USERS.model_copy(update={"homes": "/home"})).returncode == 0

    assert (node / "home" / "bob").stat().st_uid == 2002


def test_homes_on_a_file_system_of_their_own_wait_for_it(node: Path):
    """Without its mount they would be made on the node's own disk, and hidden by a later mount."""
    users = USERS.model_copy(update={"homes": "/home"})
    (node / "home").mkdir()

    done = run(node, users, home_storage=True)

    assert done.returncode == 1
    assert "/home is not mounted; no home is made" in done.stderr
    assert not list((node / "home").iterdir())
    assert "bob:x:2002:2002::/home/bob:/bin/bash" in lines(node, "passwd")

    program(node, "mountpoint", f"[[ $2 == {node}/home ]]")
    assert run(node, users, home_storage=True).returncode == 0
    home = (node / "home" / "bob").stat()
    assert (home.st_uid, home.st_gid, oct(home.st_mode)) == (2002, 2002, "0o40700")
