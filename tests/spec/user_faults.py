"""Single faults of the users of a Slurm cluster."""

from tests.spec.faults import Fault, fault
from tests.spec.samples import USERS
from ultracluster.spec.users import UserSpec

U = "slurm.users"
CROWD = [
    UserSpec(name=f"person{number}", uid=2000 + number, accounts=("research",))
    for number in range(1, 100)
]
FAULTS = [
    fault("user in capitals", USERS, f"{U}.users[0].name", "Alice B", '"alice-b"', "alice-b"),
    fault("user that images have", USERS, f"{U}.users[0].name", "ubuntu", "another", "alice"),
    fault("number of a service", USERS, f"{U}.users[0].uid", 999, "at least 2000", 2001),
    fault("number beyond Unix's people", USERS, f"{U}.users[0].uid", 60000, "at most 59999", 2001),
    fault("two users of a name", USERS, f"{U}.users[1].name", "alice", "another", "bob"),
    fault("two users of a number", USERS, f"{U}.users[1].uid", 2001, "another", 2002),
    fault("group with a user's number", USERS, f"{U}.groups[0].gid", 2001, "another", 3001),
    fault(
        "group with a user's name",
        USERS,
        f"{U}.groups[0].name",
        "bob",
        "another",
        "vision",
        also={f"{U}.users[0].groups": ()},
    ),
    Fault(
        "user in a group that is not there",
        USERS,
        {f"{U}.users[0].groups": ("speech",)},
        f"{U}.users[0].groups[0]",
        "speech",
        "write vision",
        {f"{U}.users[0].groups": ("vision",)},
    ),
    Fault(
        "user with an account that is not there",
        USERS,
        {f"{U}.users[0].accounts": ("sales",)},
        f"{U}.users[0].accounts[0]",
        "sales",
        "write research or teaching",
        {f"{U}.users[0].accounts": ("research",)},
    ),
    fault(
        "user without an account", USERS, f"{U}.users[0].accounts", (), "research", ("research",)
    ),
    fault("account below none", USERS, f"{U}.accounts[1].parent", "lab", "research", "research"),
    fault(
        "account called root",
        USERS,
        f"{U}.accounts[1].name",
        "root",
        '"research"',
        "teaching",
        also={f"{U}.users[1].accounts": ("research",)},
    ),
    fault(
        "users' accounts without accounting",
        USERS,
        "slurm.accounting_days",
        None,
        "-1",
        -1,
        also={"slurm.queues[0].allow_accounts": ()},
    ),
    fault(
        "accounts without a login node",
        USERS,
        "slurm.login_instance_type",
        None,
        "write m6i.xlarge",
        "m6i.xlarge",
    ),
    Fault(
        "queue of an account that is not there",
        USERS,
        {"slurm.queues[0].allow_accounts": ("sales",)},
        "slurm.queues[0].allow_accounts[0]",
        "sales",
        "write research or teaching",
        {"slurm.queues[0].allow_accounts": ("research",)},
    ),
    fault("users without a user", USERS, f"{U}.users", (), "at least 1", USERS.slurm.users.users),
    Fault(
        "more users than user data holds",
        USERS,
        {f"{U}.users": tuple(CROWD)},
        f"{U}.users",
        "99 users of 4,226 bytes",
        "fewer",
        {f"{U}.users": tuple(CROWD[:50])},
    ),
    fault("a name where users belong", USERS, U, "alice", "UsersSpec", USERS.slurm.users),
]
