"""A fault of a campaign ends as it must only where everything is so: each part spoiled alone."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from environments.dev import DEV
from environments.ultracluster import ULTRACLUSTER
from ultracluster.aws import CloudError
from ultracluster.exit_status import ALL_WELL, SOME_FAIL
from ultracluster.prove.deployment import StackTemplate
from ultracluster.rehearse import direct
from ultracluster.rehearse.campaign import between, command, cycle
from ultracluster.rehearse.campaign.between import CALLS, Between
from ultracluster.rehearse.campaign.cycle import Cycle, Row
from ultracluster.rehearse.cdk import CdkError

ENDPOINT = {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"Tags": []}}
STACK = StackTemplate(
    "ultracluster-Network",
    "Network",
    {
        "Resources": {
            "One": ENDPOINT,
            "Two": ENDPOINT,
            "Files": {"Type": "AWS::FSx::FileSystem", "Properties": {}},
            "Group": {"Type": "AWS::PCS::ComputeNodeGroup", "Properties": {}},
            "Vpc": {"Type": "AWS::EC2::VPC", "DeletionPolicy": "Retain", "Properties": {}},
            "Metadata": {"Type": "AWS::CDK::Metadata"},
        }
    },
    termination_protection=True,
)
BEFORE = StackTemplate(
    "ultracluster-Before",
    "Before",
    {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {}}}},
    termination_protection=False,
)


@dataclass
class World:
    """An account that answers from these lists, in their order; it is a campaign's place too."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    deployed: tuple[int, ...] = ()
    """Exit statuses of the CLI."""
    left_behind: tuple[str, ...] = ()
    charged: bool = False
    told: bool = True
    unlocked: bool = True
    fired: bool = True
    running: tuple[str, ...] = ()
    refused: bool = False
    killed: bool = True
    spec: Any = ULTRACLUSTER
    stacks: tuple[StackTemplate, ...] = (BEFORE, STACK)
    asked: list[dict[str, Any]] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cloud, self.assembly = self, "cdk.out"
        self.emulator = SimpleNamespace(environment=dict)
        self._turns: dict[str, Iterator[Any]] = {
            name: iter(getattr(self, name))
            for name in ("created", "updated", "deleted", "deployed")
        }

    def turn(self, name: str) -> Any:
        return next(self._turns[name])

    @property
    def unfired(self) -> tuple[str, ...]:
        return () if self.fired else ("it",)

    def create(self, stack: Any) -> tuple[str, Any]:
        self.acts.append("before" if stack.name == BEFORE.name else "create")
        if stack.name == BEFORE.name:
            return "id", "CREATE_COMPLETE"
        if self.refused:
            raise CloudError("cloudformation", "create_stack", "Throttling", "slower")
        return "id", self.turn("created")

    def fail(self, *rules: dict[str, Any]) -> None:
        self.acts.append("fault" if rules else "none")
        self.asked += rules

    def unlock(self, _: Any) -> bool:
        self.acts.append("unlock")
        return self.unlocked

    def left(self, *_: Any) -> list[str]:
        return list(self.left_behind)

    def reason(self, *_: Any) -> bool:
        return self.told

    def inventory(self) -> dict[str, Any]:
        return {}

    def kept(self, _: Any) -> frozenset[Any]:
        return frozenset()

    def stack_id(self, _: Any) -> str:
        return "id"

    def ask(self, _: str, operation: str, **__: Any) -> dict[str, Any]:
        self.acts.append(operation)
        return {"Reservations": list(self.running)} if operation == "describe_instances" else {}

    def run(self, _: Any, listener: Callable[[str], None]) -> list[str]:
        """Answer as the CLI."""
        self.acts.append("deploy")
        listener("it begins")
        if self.killed:
            listener("CREATE_IN_PROGRESS")
        if self.turn("deployed"):
            raise CdkError("it failed")
        return []


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stacks, their payment and the CLI be those of the world."""

    def turn(name: str, of: str) -> Callable[..., Any]:
        def act(world: World, *_: Any) -> Any:
            world.acts.append(name)
            return world.turn(of)

        return act

    for name, of in (("update", "updated"), ("delete", "deleted"), ("settled", "updated")):
        monkeypatch.setattr(direct, name, turn(name, of))
    monkeypatch.setattr(
        cycle,
        "paid_capacity",
        lambda world, _: [SimpleNamespace(active=world.charged, node_minutes=2.0)],
    )


GOOD: dict[str, World] = {
    "create": World(("ROLLBACK_COMPLETE", "CREATE_COMPLETE"), deleted=("DELETE_COMPLETE",)),
    "update": World(updated=("UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE")),
    "delete": World(deleted=("DELETE_FAILED", "DELETE_COMPLETE")),
    "delete what is kept": World(deleted=("DELETE_COMPLETE",)),
    "stuck in progress": World(("ROLLBACK_COMPLETE", "CREATE_COMPLETE"), deleted=("",)),
    "made, and reported as failed": World(
        ("ROLLBACK_FAILED", "CREATE_COMPLETE"),
        deleted=("",),
        left_behind=("AWS::EC2::SecurityGroup sg-1", "AWS::FSx::FileSystem fs-1"),
    ),
    "the third of a kind": World(("ROLLBACK_COMPLETE", "CREATE_COMPLETE"), deleted=("",)),
    "a creation's rollback fails": World(
        ("ROLLBACK_FAILED", "CREATE_COMPLETE"), deleted=("",), stacks=(STACK,)
    ),
    "an update's rollback fails": World(
        ("",), updated=("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE")
    ),
    "no capacity for a node": World(("CREATE_COMPLETE",)),
    "throttled": World(deployed=(0, 0), killed=False),
    "credentials expire": World(deployed=(1, 0), killed=False),
}
AGAIN = "none unlock delete create"
"""The fault is over before the stack that failed is removed and created anew."""
ACTS: dict[str, str] = {
    "create": f"fault create {AGAIN} none",
    "update": "fault update none update none",
    "delete": "fault unlock delete none delete none",
    "delete what is kept": "unlock delete none none",
    "stuck in progress": f"before fault create {AGAIN}",
    "made, and reported as failed": f"before fault create delete_file_system {AGAIN}",
    "the third of a kind": f"before fault create {AGAIN}",
    "a creation's rollback fails": f"fault create {AGAIN}",
    "an update's rollback fails": (
        "before create fault update continue_update_rollback settled update"
    ),
    "no capacity for a node": "before fault create describe_instances",
    "throttled": "fault deploy none deploy",
    "credentials expire": "fault deploy none deploy",
}
"""What is done, in its order: a fault that nobody asked for, or that is still asked for when all is
repeated, shows nothing."""
ONE, UNDONE = {"logical_id": "^One$"}, {"operation": "rollback", "message": "not undone either"}
RULES: dict[str, list[dict[str, Any]]] = {
    "create": [{"operation": "create", **ONE, "message": cycle.REASON}],
    "update": [{"operation": "update", **ONE, "message": cycle.REASON}],
    "delete": [{"operation": "delete", **ONE, "message": cycle.REASON}],
    "delete what is kept": [],
    "stuck in progress": [{"logical_id": "^Files$", "seconds": 2, "message": between.LATE}],
    "made, and reported as failed": [
        {"logical_id": "^Files$", "made": True, "message": between.LATE}
    ],
    "the third of a kind": [
        {"type": "AWS::EC2::VPCEndpoint", "after": 2, "message": "The maximum is reached"}
    ],
    # The last that is made and not kept: all the others have to be undone.
    "a creation's rollback fails": [{"logical_id": "^Group$", "message": "no"}, UNDONE],
    "an update's rollback fails": [
        {"operation": "update", "logical_id": "^(One|Two)$", "after": 1},
        UNDONE,
    ],
    "no capacity for a node": [between.LAUNCH],
}


ENDS = {
    "create": ("ROLLBACK_COMPLETE", "CREATE_COMPLETE", ""),
    "update": ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE", ""),
    "delete": ("DELETE_FAILED", "DELETE_COMPLETE", ""),
    "delete what is kept": ("DELETE_COMPLETE", "DELETE_COMPLETE", cycle.KEPT),
    "stuck in progress": ("ROLLBACK_COMPLETE", "CREATE_COMPLETE", ""),
    "made, and reported as failed": (
        "ROLLBACK_FAILED",
        "CREATE_COMPLETE",
        "found by what services show; aws fsx delete-file-system, then ultracluster retry",
    ),
    "the third of a kind": ("ROLLBACK_COMPLETE", "CREATE_COMPLETE", ""),
    "a creation's rollback fails": ("ROLLBACK_FAILED", "CREATE_COMPLETE", ""),
    "an update's rollback fails": (
        "UPDATE_ROLLBACK_FAILED",
        "UPDATE_COMPLETE",
        "way out: aws cloudformation continue-update-rollback",
    ),
    "no capacity for a node": (
        "CREATE_COMPLETE",
        "",
        "the stack is complete and no node runs: ultracluster prove says so",
    ),
    "throttled": ("exit 0", "exit 0", ""),
    "credentials expire": ("exit 1", "exit 0", ""),
}
"""How each ended, what its repetition gave, and the note."""


def row(name: str, given: World) -> Row:
    world: Any = given
    operation, _, kept = name.partition(" what is ")
    if operation not in cycle.OPERATIONS:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(between, "Cdk", lambda _: world)
            return Between(world).run(name)
    tried = Cycle(world, STACK, "Vpc" if kept else "One", 1.0)
    acts: dict[str, Callable[[], Any]] = {
        "create": lambda: tried._create({}),
        "update": tried._update,
        "delete": lambda: tried._delete({}),
    }
    return tried._timed(operation, acts[operation])


@pytest.mark.parametrize("name", GOOD)
def test_what_is_as_it_must_be_is_no_problem(name: str):
    """The fault is asked for, and no longer when all is repeated."""
    world = deepcopy(GOOD[name])

    found = row(name, world)

    assert found.problems == ()
    assert (found.ended, found.retried, found.note) == ENDS[name]
    assert world.acts == ACTS[name].split()
    assert world.asked == (CALLS[name][0] if name in CALLS else RULES[name])
    # Two minutes, at a dollar an hour.
    assert found.usd == pytest.approx(2 / 60 if name == "create" else 0)


def test_what_nothing_alone_changes_is_not_tried(monkeypatch: pytest.MonkeyPatch):
    """It is said, and is no problem."""
    monkeypatch.setattr(cycle, "changed", lambda *_: None)
    world = World()

    found = row("update", world)

    assert (found.problems, found.ended, world.acts) == ((), "", ["none"])
    assert found.note == "no change of it alone is possible"


def test_a_fault_is_tried_where_a_template_can_have_it():
    """And nodes that cannot be launched where something is launched at once."""
    small = [*CALLS, "the CLI is killed"]
    of_nodes = "no capacity for a node"
    assert Between.names(ULTRACLUSTER, (BEFORE,)) == [*small, of_nodes]
    assert Between.names(ULTRACLUSTER, (STACK,)) == [*small, *between.OF_STACKS, of_nodes]
    assert Between.names(DEV, (BEFORE,)) == small
    assert ULTRACLUSTER.slurm is not None
    slurm = ULTRACLUSTER.slurm.model_copy(update={"login_instance_type": None})
    alone = ULTRACLUSTER.model_copy(update={"slurm": slurm})
    assert Between.names(alone, (BEFORE,)) == small


def spoiled() -> Iterator[Any]:
    """Yield each good world with one status, or one answer, that is another."""
    for name, world in GOOD.items():
        for turn, other in (("created", "WRONG"), ("updated", "WRONG"), ("deleted", "WRONG")):
            given = getattr(world, turn)
            for place, status in enumerate(given):
                if status:
                    changed = (*given[:place], other, *given[place + 1 :])
                    yield pytest.param(
                        name, {turn: changed}, "WRONG", id=f"{name}-{turn} {place + 1}"
                    )
    unfired = "the fault never happened"
    of_retries = (
        *("create", "delete", "delete what is kept", "stuck in progress", "the third of a kind"),
        *("a creation's rollback fails", "made, and reported as failed"),
    )
    for name in of_retries:
        yield name, {"unlocked": False}, "a protected stack was deleted"
    for name in ("create", "update", "delete", "the third of a kind", "throttled"):
        yield name, {"fired": False}, unfired
    for name in ("a creation's rollback fails", "an update's rollback fails"):
        yield name, {"fired": False}, unfired
    yield "no capacity for a node", {"fired": False}, unfired
    for name in ("create", "update", "delete"):
        yield name, {"told": False}, "CloudFormation does not say why it failed"
    yield "stuck in progress", {"told": False}, "does not say that it timed out"
    yield "create", {"left_behind": ("AWS::EC2::EIP x",)}, "left after the rollback: AWS::EC2::EIP"
    for name in ("delete", "delete what is kept"):
        yield name, {"left_behind": ("AWS::EC2::EIP x",)}, "left after the deletion: AWS::EC2"
    yield "create", {"charged": True}, "still charged"
    yield "create", {"refused": True}, "Throttling"
    yield "stuck in progress", {"refused": True}, "Throttling"
    yield "made, and reported as failed", {"left_behind": ()}, "was not found"
    yield "no capacity for a node", {"running": ("i-1",)}, "instances run although"
    yield "throttled", {"deployed": (1, 0)}, "exit status 1, not 0"
    yield "throttled", {"deployed": (0, 1)}, "the repeated deployment exits with 1"
    yield "credentials expire", {"deployed": (0, 0)}, "exit status 0, not 1"


@pytest.mark.parametrize(("name", "spoil", "words"), list(spoiled()))
def test_one_thing_that_is_not_as_it_must_be_is_a_problem(
    name: str, spoil: dict[str, Any], words: str
):
    """A verdict that nothing can spoil says nothing."""
    found = row(name, replace(deepcopy(GOOD[name]), **spoil)).problems

    assert any(words in each for each in found), found


@pytest.mark.parametrize(
    ("world", "wrong"),
    [
        (World(deployed=(0,)), ""),
        (World(deployed=(1,)), "the repeated deployment exits with 1"),
        (World(deployed=(0, 0), killed=False), "the CLI ended before it could be killed"),
    ],
    ids=["killed", "not repeated", "not killed"],
)
def test_a_cli_that_is_killed_is_started_again(
    world: World, wrong: str, monkeypatch: pytest.MonkeyPatch
):
    """It is killed at the first resource in progress, and not in the second deployment."""
    monkeypatch.setattr(between, "Cdk", lambda _: world)
    heard = world.run

    def once(arguments: list[str], listener: Callable[[str], None]) -> list[str]:
        # What is in progress is seen in the lines of standard output alone.
        assert {"--ci", "--progress"} <= {*arguments}
        try:
            return heard(arguments, listener)
        finally:
            world.killed = False

    monkeypatch.setattr(world, "run", once)
    found = Between(world).run("the CLI is killed")  # type: ignore[arg-type]

    assert found.problems == ((wrong,) if wrong else ())


ROW = Row("Network", "Vpc", "AWS::EC2::VPC", "create", "ROLLBACK_COMPLETE", "CREATE_COMPLETE", 1.0)


@pytest.mark.parametrize(
    ("rows", "status"),
    [([ROW], ALL_WELL), ([ROW, replace(ROW, problems=("left",))], SOME_FAIL)],
)
def test_one_row_with_a_problem_makes_the_campaign_fail(rows: list[Row], status: int):
    """The exit status is what a pipeline reads."""
    arguments: Any = SimpleNamespace(page=None, json=False)

    assert command._told(arguments, ULTRACLUSTER, rows, Console(quiet=True)) == status
