"""Every stage passes on a healthy account, and each step fails where its subject is not right."""

import json
from collections.abc import Callable

import pytest

from tests.accept.conftest import World
from ultracluster.accept.journal import clean_up
from ultracluster.accept.session import FAIL, PASS, STAGES, Session

Spoil = Callable[[World], None]


def breaking(**what: object) -> Spoil:
    """Return what lets programs of the nodes fail."""
    return lambda world: world.break_(**what)


def no_training(world: World) -> None:
    """Let every training job fail."""
    rule = {"type": "SageMaker::TrainingJob", "operation": "run", "message": "no input"}
    (world.folder / "faults.json").write_text(json.dumps([rule]))


def another_root(world: World) -> None:
    """Let the image have another root device than the environment says."""
    world.door.root_device = "/dev/xvda"


def inactive_tag(world: World) -> None:
    """Let the budget's tag be one that AWS does not count by."""
    world.door.tag_status = "Inactive"


def forget_homes(world: World) -> None:
    """Let the login node have come up without the homes that all nodes share."""
    mounts = world.nodes.root / "proc" / "mounts"
    mounts.write_text("".join(line for line in mounts.open() if "nfs4" not in line))


def test_a_healthy_account_is_accepted(world: World):
    """All stages, one after the other, and nothing is left of them."""
    session = world.accept(*(stage.name for stage in STAGES))

    assert [(r.step, r.measured) for r in session.results if r.verdict != PASS] == []
    assert len(session.results) == sum(len(stage.steps) for stage in STAGES)
    assert session.status == 0
    assert world.left_in_account() == []
    assert world.scene().journal.entries == []


AT_ONCE = ("login", "nodes", "faults", "end")


@pytest.mark.parametrize(
    ("stage", "spoil", "step", "measured"),
    [
        ("network", another_root, "image of the nodes", "/dev/xvda"),
        ("network", inactive_tag, "cost allocation tag", "Inactive"),
        ("login", forget_homes, "a user's home is on all nodes", ""),
        ("login", breaking(export=1), "from Lustre to S3", "missing"),
        ("sagemaker", no_training, "a job through the state machine", "FAILED"),
        ("nodes", breaking(salloc=(1, "")), "two nodes come up", "status 1"),
        ("faults", breaking(prolog=1), "fault: one GPU fewer than there must be", "NOT drained"),
        ("faults", breaking(requeue=1), "fault: a reboot", "NOT requeued"),
        ("end", breaking(**{"scale-down": 1}), "no node runs without a job", "1 nodes run"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_stage_that_fails_stops_and_leaves_nothing(
    world: World, stage: str, spoil: Spoil, step: str, measured: str
):
    """The first failure is the last step, and what was made is taken away all the same."""
    spoil(world)
    if stage in AT_ONCE:
        # What the fake nodes do, they do at once: whoever waits waits for what does not come.
        world.patience = 0.002
    if stage == "end":
        world.scene().shell("srun --nodes=1 true")

    session = world.accept(stage)

    last = session.results[-1]
    assert (last.step, last.verdict) == (step, FAIL)
    assert measured in last.measured
    assert [each for each in session.results if each.verdict != PASS] == [last]
    assert session.status == 1
    nodes = [row["InstanceId"] for row in world.scene().nodes()]
    assert world.left_in_account() == (nodes if stage == "end" else [])


LOGIN = {
    "boot of the login node": {"cloud-init": (0, "status: error\n")},
    "default partition": {"sinfo": (0, "train\n")},
    "a user writes to the file system": {"runuser": (1, "Permission denied\n")},
    "locked memory of a login": {"ulimit": (0, "8192")},
    "configuration of the controller": {"scontrol": (0, "SLURM_VERSION = 25.05.3\n")},
    "from S3 to Lustre": {"import": 1},
}
NODES = {
    "milliseconds of nvidia-smi": {"nvidia-smi": (9, "")},
    "fabric manager": {"systemctl": (3, "inactive\n")},
    "persistence mode": {"nvidia-smi": (0, "Disabled\n")},
    "EFA in libfabric": {"fi_info": (0, "provider: efa\n")},
    "replies leave by their own interface": {"ip": (0, "2: eth0 inet 10.1.0.9/22 dev eth1\n")},
    "GB of scratch": {"df": (0, "x\n 500GB\n")},
    "requests in flight of the Lustre client": {"lctl": (0, "8\n")},
    "GPUs and locked memory in a step": {"ulimit": (0, "8192")},
    "bandwidth between the nodes": {"gpudirect": 1},
    "training goes on after a kill": {"resume": 1},
}


@pytest.mark.parametrize(("stage", "spoiled"), [("login", LOGIN), ("nodes", NODES)])
def test_each_step_sees_what_it_is_about(
    world: World, stage: str, spoiled: dict[str, dict[str, object]]
):
    """A step that cannot fail would prove nothing."""
    session = Session(world.scene(), world.said.append, lambda _: True)
    chosen = next(each for each in STAGES if each.name == stage)
    if stage == "nodes":
        assert session._step(chosen, chosen.steps[0]).verdict == PASS

    verdicts = {}
    for step in chosen.steps:
        if step.name in spoiled:
            world.break_(**spoiled[step.name])
            verdicts[step.name] = session._step(chosen, step).verdict
    world.break_()

    assert verdicts == dict.fromkeys(spoiled, FAIL)
    assert clean_up(session.scene, world.said.append) == []
    assert world.left_in_account() == []


def test_fewer_active_efa_devices_are_seen(world: World):
    """One port that is down."""
    port = world.folder / "root" / "sys" / "class" / "infiniband" / "rdmap3" / "ports" / "1"
    (port / "state").write_text("1: DOWN\n")

    last = world.accept("nodes").results[-1]

    assert (last.step, last.verdict) == ("EFA devices that are active", FAIL)
    assert (last.wanted, last.measured) == ("4", "3")


def test_instances_outside_of_the_group_are_seen(world: World):
    """By EC2's own word."""
    session = Session(world.scene(), world.said.append, lambda _: True)
    chosen = next(each for each in STAGES if each.name == "nodes")
    right = world.nodes.account["group"]
    world.nodes.account["group"] = "another"
    try:
        assert session._step(chosen, chosen.steps[0]).verdict == PASS
        step = next(each for each in chosen.steps if each.name == "place of the instances")
        assert session._step(chosen, step).verdict == FAIL
    finally:
        world.nodes.account["group"] = right
        clean_up(session.scene, world.said.append)


def test_what_may_not_be_asked_is_no_pass(world: World):
    """Others go on: only the account that pays may see cost allocation tags."""
    world.door.refused = {"DescribeBudget"}

    session = world.accept("network")

    assert session.status != 0
    by_step = {each.step: (each.verdict, each.measured) for each in session.results}
    assert by_step["filter of the budget"] == (
        "not shown",
        "the caller may not budgets:ViewBudget",
    )
    assert by_step["cost allocation tag"][0] == PASS


def test_a_stage_says_what_it_costs_and_may_be_declined(world: World):
    """Nothing is started without consent."""
    session = world.accept("nodes", "faults", consents=False)

    assert session.results == []
    assert session.status == 2
    said = "\n".join(world.said)
    assert "2 x p4d.24xlarge for 60 minutes at most" in said
    assert "43.92 USD at most (2 x 21.96" in said
    assert "faults:" not in said
