"""The users of a Slurm cluster, as files that nodes have from their user data."""

from typing import Final

from ultracluster.spec.users import UsersSpec

ENFORCED: Final = "associations,limits"
"""What Slurm demands of a job where there are accounts: one of its user's, within its limits
(`AccountingStorageEnforce`; slurm.conf, and AWS PCS user guide, accounting, read 2026-11-27)."""
NO_LIMIT: Final = -1


def user_lines(users: UsersSpec) -> str:
    """Return what `boot/users.sh` reads: groups, then users."""
    groups = [f"group {group.name} {group.gid}" for group in users.groups]
    people = [f"user {each.name} {each.uid} {','.join(each.groups)}" for each in users.users]
    return "\n".join(line.rstrip() for line in (*groups, *people))


def account_lines(users: UsersSpec) -> str:
    """Return what `boot/accounts.sh` reads: accounts, then who may charge them."""
    accounts = [
        f"account {each.name} {each.parent} {each.most_nodes or NO_LIMIT}"
        for each in users.accounts
    ]
    people = [f"user {each.name} {','.join(each.accounts)}" for each in users.users]
    return "\n".join((*accounts, *people))
