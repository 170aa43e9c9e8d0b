"""Who works on a Slurm cluster: Unix users with the same ids on every node, and their accounts."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from ultracluster.problem import Problem, choices, repeated
from ultracluster.spec.base import Spec, Written, rule

OF_IMAGES: Final = frozenset({"root", "ubuntu", "ec2-user", "ssm-user", "slurm", "munge", "nobody"})
"""Users that images have."""
NAME: Final = rf"(?!({'|'.join(sorted(OF_IMAGES))})$)[a-z_][a-z0-9_-]{{0,31}}"
"""useradd(8) of Debian and Amazon Linux."""
ACCOUNT: Final = Written(
    r"(?!root$)[a-z][a-z0-9_-]{0,31}", 'write lower-case letters and digits: "research"'
)
"""slurmdbd keeps names in lower case (sacctmgr(1), Slurm 25.11)."""
ROOT: Final = "root"
"""The account that every other one is below."""
LOWEST_ID: Final = 2000
HIGHEST_ID: Final = 59999
"""Beside what images take: 1000 and 1001 for people, below that for services; login.defs(5) ends at
60000."""
MOST_BYTES: Final = 2560
"""Of the 16 KB of user data (EC2 User Guide); the scripts and PCS's own part take the rest."""
NO_LIMIT: Final = -1
HOME: Final = "/home"
ON_LUSTRE: Final = "/fsx/home"

Id = Annotated[int, Field(ge=LOWEST_ID, le=HIGHEST_ID)]


def _another_name(given: str) -> str:
    if given in OF_IMAGES:
        return "images have a user of that name; write another"
    clean = re.sub(r"[^a-z0-9_-]+", "-", given.lower()).strip("-0123456789")[:32] or "alice"
    return f'Unix takes lower-case letters, digits, _ and -, a letter first; write "{clean}"'


Name = Annotated[str, Written(NAME, _another_name)]


class AccountSpec(Spec):
    """An account that jobs are charged to, in Slurm's accounting."""

    name: Annotated[str, ACCOUNT]
    """Its name, which users write after `sbatch --account`."""

    parent: str = ROOT
    """The account that it is part of."""

    most_nodes: Annotated[int, Field(ge=1)] | None = None
    """Nodes that all of its jobs together may have at a time; None has no limit."""


class GroupSpec(Spec):
    """A Unix group, with the same id on every node."""

    name: Name
    """Its name."""

    gid: Id
    """Its number, 2000 to 59999."""


class UserSpec(Spec):
    """A Unix user, with the same id on every node, and a group of the same name and number."""

    name: Name
    """The name of the user."""

    uid: Id
    """The number of the user, 2000 to 59999. It never goes to somebody else: files keep it."""

    groups: tuple[str, ...] = ()
    """Further groups."""

    accounts: tuple[str, ...] = ()
    """Accounts that the user's jobs may be charged to; the first is taken where none is named."""


class HomeStorageSpec(Spec):
    """A file system of its own for `/home` (Amazon EFS), on login nodes and all other nodes.

    It grows with its files. What nobody has read for 30 days costs less, and is moved back when it
    is read. It outlives its stack where `LustreSpec.keep_data` says so.
    """

    expected_gb: Annotated[int, Field(ge=1)] = 100
    """GB that all homes together are expected to hold: the cost sheet counts them, EFS asks for no
    size."""

    backups: bool = True
    """Whether AWS Backup copies it every day and keeps each copy for 35 days."""


class UsersSpec(Spec):
    """The users of a cluster; login nodes and all other nodes have them."""

    users: Annotated[tuple[UserSpec, ...], Field(min_length=1)]
    """The users."""

    groups: tuple[GroupSpec, ...] = ()
    """Groups beside those of single users."""

    homes: Literal["/fsx/home", "/home"] = "/fsx/home"
    """Folder that homes are in: on Lustre, or `/home`, which is the file system of
    `SlurmSpec.home_storage`, and without it each node's own disk, which ends with the node."""

    accounts: tuple[AccountSpec, ...] = ()
    """Slurm's accounts. With them a job needs one that its user may charge."""

    def unix_lines(self, *, home_storage: bool = False) -> str:
        """Return homes, what must be mounted for them, groups and users, as nodes read them."""
        own = HOME if home_storage else ""
        mount = ON_LUSTRE.removesuffix(HOME) if self.homes == ON_LUSTRE else own
        groups = [f"group {group.name} {group.gid}" for group in self.groups]
        people = [f"user {each.name} {each.uid} {','.join(each.groups)}" for each in self.users]
        lines = (f"homes {self.homes} {mount}", *groups, *people)
        return "\n".join(line.rstrip() for line in lines)

    def account_lines(self) -> str:
        """Return accounts and who may charge them, one a line (`boot/accounts.sh`)."""
        accounts = [
            f"account {each.name} {each.parent} {each.most_nodes or NO_LIMIT}"
            for each in self.accounts
        ]
        people = [f"user {each.name} {','.join(each.accounts)}" for each in self.users]
        return "\n".join((*accounts, *people))

    @rule
    def _user_data_holds_them(self) -> Iterator[Problem]:
        taken = len(self.unix_lines()) + len(self.account_lines())
        if taken > MOST_BYTES:
            fix = f"nodes have them from their user data, which has room for {MOST_BYTES:,}; write "
            fix += "fewer, or let nodes look them up in a directory (docs/users.md)"
            yield Problem("users", f"{len(self.users)} users of {taken:,} bytes", fix)

    @rule
    def _names_and_numbers_are_given_once(self) -> Iterator[Problem]:
        places = [(f"users[{i}]", vars(user)) for i, user in enumerate(self.users)]
        places += [(f"groups[{i}]", vars(group)) for i, group in enumerate(self.groups)]
        names = [(f"{place}.name", given.get("name")) for place, given in places]
        # A user's own group has the user's number.
        keys = [(place, given, key) for place, given in places for key in ("uid", "gid")]
        ids = [(f"{place}.{key}", given[key]) for place, given, key in keys if key in given]
        accounts = [(f"accounts[{i}].name", a.name) for i, a in enumerate(self.accounts)]
        for taken in (names, ids, accounts):
            yield from repeated(taken, "somebody else has it already; write another")

    @rule
    def _groups_are_there(self) -> Iterator[Problem]:
        known = [group.name for group in self.groups]
        for index, user in enumerate(self.users):
            yield from _unknown(f"users[{index}].groups", user.groups, known, "groups")

    @rule
    def _accounts_are_there(self) -> Iterator[Problem]:
        known = [account.name for account in self.accounts]
        for index, user in enumerate(self.users):
            yield from _unknown(f"users[{index}].accounts", user.accounts, known, "accounts")
            if known and not user.accounts:
                fix = f"no job of {user.name} would be taken; write accounts=({known[0]!r},)"
                yield Problem(f"users[{index}].accounts", user.accounts, fix)

    @rule
    def _parents_come_first(self) -> Iterator[Problem]:
        """An account is made below one that is there already."""
        known = [ROOT]
        for index, account in enumerate(self.accounts):
            if account.parent not in known:
                fix = f"no such account comes before it; write {choices(known)}"
                yield Problem(f"accounts[{index}].parent", account.parent, fix)
            known.append(account.name)


def _unknown(
    field: str, names: Sequence[str], known: list[str] | tuple[str, ...], where: str
) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name not in known:
            fix = f"write {choices(known)}" if known else "remove it"
            yield Problem(f"{field}[{index}]", name, f"{where} has no such name; {fix}")
