"""The users of a Slurm cluster: Unix users with the same ids on every node, and their accounts."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from ultracluster.problem import Problem, choices, repeated
from ultracluster.spec.base import Spec, TextFormat, rule

OF_IMAGES: Final = frozenset({"root", "ubuntu", "ec2-user", "ssm-user", "slurm", "munge", "nobody"})
"""Users that images define."""
NAME: Final = rf"(?!({'|'.join(sorted(OF_IMAGES))})$)[a-z_][a-z0-9_-]{{0,31}}"
"""useradd(8) of Debian and Amazon Linux."""
ACCOUNT: Final = TextFormat(
    r"(?!root$)[a-z][a-z0-9_-]{0,31}", 'write lower-case letters and digits: "research"'
)
"""slurmdbd keeps names in lower case (sacctmgr(1), Slurm 25.11)."""
ROOT: Final = "root"
"""The account at the root of the tree of accounts."""
LOWEST_ID: Final = 2000
HIGHEST_ID: Final = 59999
"""Ids that images do not use: they use 1000 and 1001 for people and lower ones for services, and
login.defs(5) ends at 60000."""
MOST_BYTES: Final = 2560
"""Bytes for users in the 16 KB of user data (EC2 User Guide); scripts and PCS need the rest."""
NO_LIMIT: Final = -1
HOME: Final = "/home"
ON_LUSTRE: Final = "/fsx/home"

Id = Annotated[int, Field(ge=LOWEST_ID, le=HIGHEST_ID)]


def _another_name(given: str) -> str:
    if given in OF_IMAGES:
        return "images already have a user of that name; write another"
    clean = re.sub(r"[^a-z0-9_-]+", "-", given.lower()).strip("-0123456789")[:32] or "alice"
    return f'Unix takes lower-case letters, digits, _ and -, a letter first; write "{clean}"'


Name = Annotated[str, TextFormat(NAME, _another_name)]


class AccountSpec(Spec):
    """An account in Slurm's accounting, to which jobs are charged."""

    name: Annotated[str, ACCOUNT]
    """Its name, for `sbatch --account`."""

    parent: str = ROOT
    """The parent account."""

    most_nodes: Annotated[int, Field(ge=1)] | None = None
    """Highest number of nodes that all of its jobs together use at a time; None for no limit."""


class GroupSpec(Spec):
    """A Unix group, with the same id on every node."""

    name: Name
    """The name of the group."""

    gid: Id
    """The group id, 2000 to 59999."""


class UserSpec(Spec):
    """A Unix user, with the same id on every node, and a group of the same name and number."""

    name: Name
    """The name of the user."""

    uid: Id
    """The user id, 2000 to 59999. Never give it to another user: files would then belong to that
    user."""

    groups: tuple[str, ...] = ()
    """Names of further groups of the user."""

    accounts: tuple[str, ...] = ()
    """Accounts to which the user's jobs may be charged; the first one is the default."""


class HomeStorageSpec(Spec):
    """An Amazon EFS file system for `/home`, mounted on all nodes.

    It grows with its files. Files that were not read for 30 days move to cheaper storage, and back
    when they are read. It is kept when its stack is deleted if `LustreSpec.keep_data` is True.
    """

    expected_gb: Annotated[int, Field(ge=1)] = 100
    """Expected size of all homes together in GB, for the cost sheet; EFS needs no size."""

    backups: bool = True
    """Whether AWS Backup makes daily backups and keeps each for 35 days."""


class UsersSpec(Spec):
    """The users of a cluster, the same ones on all nodes."""

    users: Annotated[tuple[UserSpec, ...], Field(min_length=1)]
    """The users."""

    groups: tuple[GroupSpec, ...] = ()
    """Groups, in addition to the group that each user has."""

    homes: Literal["/fsx/home", "/home"] = "/fsx/home"
    """Folder of the home directories: on Lustre, or `/home`, which is the file system of
    `SlurmSpec.home_storage`; without that it is each node's own disk, whose files are lost with the
    node."""

    accounts: tuple[AccountSpec, ...] = ()
    """Accounts in Slurm's accounting. If there are any, each job needs an account of its user."""

    def unix_lines(self, *, home_storage: bool = False) -> str:
        """Return the lines that nodes read: home folder and its mount, groups, users."""
        own = HOME if home_storage else ""
        mount = ON_LUSTRE.removesuffix(HOME) if self.homes == ON_LUSTRE else own
        groups = [f"group {group.name} {group.gid}" for group in self.groups]
        people = [f"user {each.name} {each.uid} {','.join(each.groups)}" for each in self.users]
        lines = (f"homes {self.homes} {mount}", *groups, *people)
        return "\n".join(line.rstrip() for line in lines)

    def account_lines(self) -> str:
        """Return the lines that `boot/accounts.sh` reads: accounts, and those of each user."""
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
            fix = f"users are in the user data, with {MOST_BYTES:,} bytes for them; write "
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
            yield from repeated(taken, "it is used twice, and must be unique; write another")

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
                fix = f"Slurm would refuse every job of {user.name}; write accounts=({known[0]!r},)"
                yield Problem(f"users[{index}].accounts", user.accounts, fix)

    @rule
    def _parents_come_first(self) -> Iterator[Problem]:
        """Accounts are created in order, so that a parent must come first."""
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
