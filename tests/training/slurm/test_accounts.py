"""The shipped script of login nodes against a real slurmdbd: who may submit where."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs_lib.slurm_cluster import enforced
from tests.observe.node import modules
from tests.training.slurm.accounting import Accounting
from tests.training.slurm.cluster import located, until
from ultracluster.spec.slurm import QueueSpec, SlurmSpec
from ultracluster.spec.users import AccountSpec, UserSpec, UsersSpec
from ultracluster.waste.usage import QUESTION

SCRIPT = Path(__file__).parents[3] / "constructs_lib" / "boot" / "accounts.sh"
ALICE, BOB, EVE = "games", "news", "irc"
"""Users that Debian has: only they can be submitted for."""
BOTH = ("research", "teaching")
pytestmark = [
    pytest.mark.needs("slurmdbd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may submit for others"),
]


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Iterator[Accounting]:
    """One cluster, which enforces what an environment's does."""
    slurm = SlurmSpec(
        accounting_days=-1,
        users=users(("research",), ("teaching",)),
        queues=(QueueSpec(allow_accounts=("research",)),),
    )
    with Accounting(tmp_path_factory.mktemp("accounting"), enforced(slurm)) as running:
        yield running


@pytest.fixture
def slurm(session: Accounting) -> Iterator[Accounting]:
    """The cluster, without an account but root's afterwards."""
    yield session
    session.ask("scancel", "--state=pending")
    for user in (ALICE, BOB, EVE):
        delete = (located("sacctmgr"), "-i", "delete", "user", user)
        subprocess.run(delete, env=session.environment(), check=False)


def users(alice: tuple[str, ...], bob: tuple[str, ...]) -> UsersSpec:
    """Return two users, and two accounts of which one is part of the other."""
    return UsersSpec(
        users=(
            UserSpec(name="alice", uid=2001, accounts=alice),
            UserSpec(name="bob", uid=2002, accounts=bob),
        ),
        accounts=(
            AccountSpec(name="lab"),
            AccountSpec(name="research", parent="lab", most_nodes=8),
            AccountSpec(name="teaching"),
        ),
    )


def run(slurm: Accounting, spec: UsersSpec, *, ends_with: int = 0) -> None:
    """Run the script as a login node does at boot."""
    here = slurm.folder / "here"
    here.mkdir(exist_ok=True)
    (here / "node.conf").write_text("SLURM_BIN=/usr/bin\n")
    lines = spec.account_lines().replace("alice", ALICE).replace("bob", BOB)
    (here / "accounts").write_text(lines)
    done = subprocess.run(
        [SCRIPT], env=slurm.environment(HERE=str(here)), text=True, capture_output=True, check=False
    )
    assert done.returncode == ends_with, done.stdout + done.stderr
    charged = {line.rpartition("|")[0] for line in associations(slurm)}
    until("what slurmdbd tells the controller", lambda: known(slurm) == charged)


def known(slurm: Accounting) -> set[str]:
    """Return who may charge what, as the controller has heard."""
    rows = slurm.ask("scontrol", "show", "assoc_mgr", "flags=assoc")
    return {
        f"{user}|{account}"
        for account, user in re.findall(r"Account=(\S+) UserName=([^\s(]+)\(\d+\)", rows)
    }


def associations(slurm: Accounting) -> set[str]:
    """Return who may charge what, with the default account."""
    ask = ("sacctmgr", "--noheader", "--parsable2", "show", "user", "withassoc")
    return set(slurm.ask(*ask, "format=user,account,defaultaccount").splitlines())


def of(slurm: Accounting, user: str) -> set[str]:
    """Return what one user may charge."""
    return {line for line in associations(slurm) if line.startswith(f"{user}|")}


def test_a_user_without_an_account_is_refused_and_one_with_it_is_taken(slurm: Accounting):
    """Before the script nobody may submit; after it those who are named."""
    assert "Invalid account" in slurm.submitted(ALICE)

    run(slurm, users(("research",), ("teaching",)))

    assert slurm.submitted(ALICE) == ""
    assert "Invalid account" in slurm.submitted(EVE)


def test_a_queue_takes_the_accounts_that_it_allows(slurm: Accounting):
    """`train` allows research alone; `prepare` takes whoever has an account."""
    run(slurm, users(BOTH, ("teaching",)))

    assert "account" in slurm.submitted(BOB, "--partition=train")
    assert slurm.submitted(BOB, "--partition=prepare") == ""
    assert slurm.submitted(ALICE, "--partition=train") == ""
    assert "account" in slurm.submitted(ALICE, "--partition=train", "--account=teaching")
    assert slurm.submitted(ALICE, "--partition=prepare", "--account=teaching") == ""


def test_running_it_again_changes_nothing(slurm: Accounting):
    """It runs at each boot of each login node."""
    wanted = users(BOTH, ("teaching",))
    run(slurm, wanted)
    before = associations(slurm)

    run(slurm, wanted)

    assert associations(slurm) == before
    assert {f"{ALICE}|research|research", f"{ALICE}|teaching|research"} <= before


def test_what_a_user_loses_is_taken_away_and_the_default_follows(slurm: Accounting):
    """Whoever changes the team must not go on to charge the old one."""
    run(slurm, users(BOTH, ("teaching",)))
    run(slurm, users(("teaching",), ("teaching",)))

    assert of(slurm, ALICE) == {f"{ALICE}|teaching|teaching"}
    assert "account" in slurm.submitted(ALICE, "--account=research", "--partition=prepare")


def test_what_a_user_loses_ends_with_the_jobs_that_are_there(slurm: Accounting):
    """Slurmdbd keeps it while jobs are active; until then no job is added, and then it goes."""
    before, after = users(BOTH, ("teaching",)), users(("teaching",), ("teaching",))
    run(slurm, before)
    assert slurm.submitted(ALICE, "--account=research", "--partition=prepare") == ""

    run(slurm, after, ends_with=1)
    assert f"{ALICE}|research|teaching" in of(slurm, ALICE)
    assert slurm.submitted(ALICE, "--account=research", "--partition=prepare") != ""

    slurm.ask("scancel", "--state=pending")
    run(slurm, after)
    assert of(slurm, ALICE) == {f"{ALICE}|teaching|teaching"}


def test_who_gets_an_account_back_may_submit_again(slurm: Accounting):
    """The mark that no job may be added does not outlive its reason."""
    before, after = users(BOTH, ("teaching",)), users(("teaching",), ("teaching",))
    run(slurm, before)
    assert slurm.submitted(ALICE, "--account=research", "--partition=prepare") == ""
    run(slurm, after, ends_with=1)

    run(slurm, before)

    assert slurm.submitted(ALICE, "--account=research", "--partition=prepare") == ""


def test_whom_it_does_not_name_stays(slurm: Accounting):
    """Somebody may have been let in by hand."""
    run(slurm, users(("research",), ("teaching",)))
    slurm.ask("sacctmgr", "--immediate", "add", "user", EVE, "account=teaching")

    run(slurm, users(("research",), ("teaching",)))

    assert f"{EVE}|teaching|teaching" in associations(slurm)


def test_accounts_have_their_parents_and_limits(slurm: Accounting):
    """A limit that is lifted is gone, and not forgotten in the database."""
    ask = ("sacctmgr", "--noheader", "--parsable2", "show", "association", "format=account,user")
    run(slurm, users(("research",), ("teaching",)))
    shown = slurm.ask(*ask[:-1], "where", "user=", "format=account,parentname,grptres")

    assert {"lab|root|", "research|lab|node=8", "teaching|root|"} <= set(shown.splitlines())

    spec = users(("research",), ("teaching",))
    lifted = (AccountSpec(name="lab"), AccountSpec(name="research"), AccountSpec(name="teaching"))
    run(slurm, spec.model_copy(update={"accounts": lifted}))
    shown = slurm.ask(*ask[:-1], "where", "user=", "format=account,parentname,grptres")

    assert {"research|root|"} <= set(shown.splitlines())


def test_what_jobs_used_is_asked_in_words_that_slurm_takes(slurm: Accounting):
    """`ultracluster waste` sends this to a login node; sacct refuses what it does not know."""
    assert slurm.ask("bash", "-c", QUESTION, "ultracluster", "2days") == ""


def test_what_slurmdbd_does_not_take_is_seen_at_the_controller(slurm: Accounting, monkeypatch):
    """The alarm `accounting-stuck` goes by this number, of the shipped program and a real sdiag."""
    for name, value in slurm.environment().items():
        monkeypatch.setenv(name, value)
    readings, _ = modules()
    assert readings.kept_for_slurmdbd() == 0
    slurmdbd = int((slurm.folder / "slurmdbd.pid").read_text())

    os.kill(slurmdbd, signal.SIGSTOP)
    try:
        # The queue that takes every account: root is in none of the users'.
        slurm.ask("sbatch", "--hold", "--partition=prepare", "--chdir=/", "--wrap=true")
        until("a record that waits", lambda: readings.kept_for_slurmdbd() > 0)
    finally:
        os.kill(slurmdbd, signal.SIGCONT)

    until("slurmdbd to take it", lambda: readings.kept_for_slurmdbd() == 0)
