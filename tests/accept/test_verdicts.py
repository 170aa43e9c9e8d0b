"""An acceptance passes only where each measurement is as it must be: by scripted answers."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from environments.ultracluster import ULTRACLUSTER
from ultracluster.accept import end, faults, network, nodes
from ultracluster.accept.report import _facts
from ultracluster.accept.scene import Found, Stage, Step, at_least, at_most, node_step
from ultracluster.accept.session import FAIL, NO_ANSWER, NOT_SHOWN, PASS, Result, Session
from ultracluster.aws import CloudError
from ultracluster.exit_status import CommandError
from ultracluster.preflight.finding import Finding, Verdict
from ultracluster.prove.deployment import StackTemplate
from ultracluster.prove.proof import Check

REFUSED = CloudError("fsx", "describe_file_systems", "AccessDenied", "no")
BUSY = CloudError("fsx", "describe_file_systems", "Throttling", "slow")


class Scene(SimpleNamespace):
    """What an acceptance asks, answered by operation, and by the beginning of a command."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(
            spec=ULTRACLUSTER,
            memory={"job": "7", "gres": "", "nodes": ["n1", "n2"]},
            commands=[],
            run="accept-1",
            program="/fsx/program",
            answers=answers,
            said={},
            running=[],
            asked=[],
            journal=SimpleNamespace(will_make=lambda kind, **_: self.made.append(kind)),
            made=[],
            caller=SimpleNamespace(account="123456789012"),
            evidence=None,
            cloud=self,
        )

    def ask(self, _: str, operation: str, **__: Any) -> Any:
        self.asked.append(operation)
        return self.answers[operation]

    def shell(self, command: str, *_: Any) -> Any:
        found = next((each for begin, each in self.said.items() if begin in command), "")
        return found if isinstance(found, SimpleNamespace) else said(found)

    def nodes(self) -> Any:
        return self.running

    def until(self, look: Callable[[], Any], good: Callable[[Any], bool], _: float) -> Any:
        self.waited = not good(look())
        return look()


def said(stdout: str, status: int = 0) -> SimpleNamespace:
    return SimpleNamespace(stdout=stdout, text=stdout.strip(), status=status)


def result(verdict: str, *settles: str) -> Result:
    return Result("end", "step", "wanted", "measured", verdict, ("a command",), settles)


@pytest.mark.parametrize(
    ("verdicts", "notes", "left", "status"),
    [
        ((PASS, PASS), [], [], 0),
        ((PASS, FAIL), [], [], 1),
        ((FAIL, NO_ANSWER), [], [], 1),
        ((PASS, NOT_SHOWN), [], [], 2),
        ((PASS, NO_ANSWER), [], [], 2),
        ((PASS,), ["declined"], [], 2),
        ((), [], [], 2),
        ((PASS,), [], [{"kind": "queue"}], 1),
        ((PASS, NO_ANSWER), [], [{"kind": "queue"}], 2),
    ],
)
def test_the_exit_status_is_that_of_the_worst(
    verdicts: tuple[str, ...], notes: list[str], left: list[Any], status: int
):
    session = Session(Scene(), print, lambda _: True)  # type: ignore[arg-type]
    session.results, session.notes, session.left = [*map(result, verdicts)], notes, left

    assert session.status == status


def raising(error: Exception) -> Callable[[Any], Found]:
    def look(_: Any) -> Found:
        raise error

    return look


@pytest.mark.parametrize(
    ("look", "verdict", "settles"),
    [
        (lambda _: Found("a", "a", ok=True), PASS, ("fact",)),
        (lambda _: Found("a", "b", ok=False), FAIL, ("fact",)),
        (lambda _: Found("a", "b", ok=None), NOT_SHOWN, ("fact",)),
        (raising(REFUSED), NOT_SHOWN, ("fact",)),
        (raising(BUSY), NO_ANSWER, ("fact",)),
        (raising(CloudError("fsx", "x", "Invalid", "no")), FAIL, ("fact",)),
        (raising(CommandError("no login node runs")), FAIL, ()),
        (raising(LookupError("Cluster/Placement")), FAIL, ()),
    ],
)
def test_a_step_comes_out_as_it_is_found(look: Any, verdict: str, settles: tuple[str, ...]):
    """Of what it could not look at a step settles nothing."""
    session = Session(Scene(), print, lambda _: True)  # type: ignore[arg-type]
    step = Step("step", look, ("fact",))
    stage = Stage("end", "title", "nothing", lambda _: "0", (step,))

    found = session._step(stage, step)
    assert (found.verdict, found.settles) == (verdict, settles)
    # What only a success tells, and what the environment does not have.
    assert session._step(stage, replace(step, refutes=False)).settles == (
        settles if verdict == PASS else ()
    )
    assert session._step(stage, replace(step, concerns=lambda _: False)).settles == ()


def test_one_failing_step_refutes_what_others_confirm():
    """And what was not shown leaves it open."""
    fact = next(iter(_facts(())))["id"]

    def of(*verdicts: str) -> str:
        found = [result(verdict, fact) for verdict in verdicts]
        return str(next(row["verdict"] for row in _facts(found) if row["id"] == fact))

    assert of() == of(NOT_SHOWN) == of(NO_ANSWER) == "open"
    assert of(PASS, PASS) == "confirmed"
    assert of(PASS, FAIL, PASS) == "refuted"
    told = [row["id"] for row in _facts([result(PASS, fact)]) if row["verdict"] != "open"]
    assert told == [fact]


@pytest.mark.parametrize(
    ("judge", "measured", "fits"),
    [
        (at_least, "8", True),
        (at_least, "7", False),
        (at_least, "nothing", False),
        (at_most, "8", True),
        (at_most, "9", False),
        (at_most, "0", True),
        (at_most, "nothing", False),
        (at_most, "-1", False),
    ],
)
def test_a_number_is_compared_and_a_text_is_none(judge: Any, measured: str, *, fits: bool):
    assert judge("about 8", measured) is fits


@pytest.mark.parametrize(
    ("answer", "measured", "ok"),
    [
        (said("0: 4\n1: 4\n"), "4", True),
        (said("0: 4\n1: 3\n"), "4 | 3", False),
        (said("0: 4\n"), "4", False),
        (said("1: b\n0: 4\n1: c\n"), "4 | b c", False),
        (said("srun: error", 1), "srun: error", False),
        (said("4", 1), "4", False),
    ],
)
def test_both_nodes_have_to_answer(answer: Any, measured: str, *, ok: bool):
    scene = Scene()
    scene.said = {"srun --jobid=7": answer}

    found = node_step("cards", "count", "4").look(scene)  # type: ignore[arg-type]
    assert (found.measured, found.ok) == (measured, ok)


STACK = StackTemplate(
    "u-Network", "Network", {"Resources": {"A": {"x": 1}}}, termination_protection=False
)
UNCHANGED = "The submitted information didn't contain changes."


@pytest.mark.parametrize(
    ("deployed", "answer", "ok"),
    [
        ({"A": {"x": 1}}, {"Status": "FAILED", "StatusReason": UNCHANGED}, True),
        (
            {"A": {"x": 1}, "CDKMetadata": {"v": 2}},
            {"Status": "FAILED", "StatusReason": UNCHANGED},
            True,
        ),
        ({"A": {"x": 1}}, {"Status": "CREATE_COMPLETE", "Changes": []}, True),
        ({"A": {"x": 2}}, {"Status": "FAILED", "StatusReason": UNCHANGED}, False),
        ({"A": {"x": 1}, "B": {}}, {"Status": "FAILED", "StatusReason": UNCHANGED}, False),
        ({}, {"Status": "FAILED", "StatusReason": UNCHANGED}, False),
        ({"A": {"x": 1}}, {"Status": "FAILED", "StatusReason": "Rate exceeded"}, False),
        ({"A": {"x": 1}}, {"Status": "CREATE_IN_PROGRESS"}, False),
        ({"A": {"x": 1}}, {"Status": "CREATE_IN_PROGRESS", "StatusReason": UNCHANGED}, False),
        (
            {"A": {"x": 1}},
            {
                "Status": "CREATE_COMPLETE",
                "Changes": [{"ResourceChange": {"Action": "Modify", "LogicalResourceId": "A"}}],
            },
            False,
        ),
    ],
)
def test_a_deployment_of_the_same_changes_nothing(
    deployed: dict[str, Any], answer: dict[str, Any], *, ok: bool
):
    scene = Scene(
        get_template={"TemplateBody": {"Resources": deployed}},
        describe_stacks={"Stacks": [{}]},
        create_change_set={},
        describe_change_set=answer,
    )
    scene.deployment = SimpleNamespace(stacks=(STACK,))

    assert end._redeploy(scene).ok is ok  # type: ignore[arg-type]
    if "create_change_set" in scene.asked:
        assert scene.made == ["change set"]
        assert scene.waited is (answer["Status"] not in ("CREATE_COMPLETE", "FAILED"))


@pytest.mark.parametrize(("more", "ok"), [(0, True), (1, False)])
def test_nodes_beyond_those_that_always_run_are_too_many(more: int, *, ok: bool):
    scene = Scene()
    assert ULTRACLUSTER.slurm is not None
    scene.running = [{}] * (ULTRACLUSTER.slurm.always_running(ULTRACLUSTER.nodes) + more)
    assert end._scaled_down(scene).ok is ok  # type: ignore[arg-type]
    assert scene.waited is not ok


@pytest.mark.parametrize(("left", "ok"), [([], True), ([{"kind": "queue"}], False)])
def test_what_is_left_is_said(left: list[Any], monkeypatch: pytest.MonkeyPatch, *, ok: bool):
    monkeypatch.setattr(end, "clean_up", lambda *_: left)
    assert end._nothing_left(Scene()).ok is ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("check", "ok"),
    [
        (Check("it", 1, 1, ok=True), True),
        (Check("it", 1, 2, ok=False), False),
        (Check("it", "shown", "not shown", ok=False, lacks="fsx:DescribeFileSystems"), None),
    ],
)
def test_proofs_that_are_not_shown_are_no_pass(
    check: Check, monkeypatch: pytest.MonkeyPatch, *, ok: bool | None
):
    monkeypatch.setattr(network, "prove", lambda *_: {"area": [check]})
    assert network._proofs(Scene()).ok is ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("finding", "ok"),
    [
        (Finding(Verdict.PASS, "image", "there"), True),
        (Finding(Verdict.FAIL, "image", "gone", fix="write another"), False),
        (Finding(Verdict.SKIP, "image", "no image", fix="write one"), False),
        (Finding(Verdict.SKIP, "login image", "no login nodes"), True),
    ],
)
def test_an_image_that_was_not_looked_at_is_no_pass(
    finding: Finding, monkeypatch: pytest.MonkeyPatch, *, ok: bool
):
    results = SimpleNamespace(results=[SimpleNamespace(findings=[finding])])
    monkeypatch.setattr(network, "preflight", lambda *_, **__: results)
    assert network._image(Scene()).ok is ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("messages", "others", "ok"),
    [([{}], ["a@b.dev"], True), ([], ["a@b.dev"], False), ([{}], [], False)],
)
def test_a_message_has_to_arrive_and_somebody_has_to_read_it(
    messages: list[Any], others: list[str], *, ok: bool
):
    own = "arn:aws:sqs:us-east-1:123456789012:accept-1"
    rows = [{"Endpoint": each} for each in (own, *others)]
    scene = Scene(
        create_queue={"QueueUrl": "url"},
        subscribe={},
        publish={},
        receive_message={"Messages": messages},
        list_subscriptions_by_topic={"Subscriptions": rows},
    )
    topic = SimpleNamespace(physical_id="arn:aws:sns:us-east-1:123456789012:topic")
    scene.deployment = SimpleNamespace(of_type=lambda _: [topic])
    assert network._message(scene).ok is ok  # type: ignore[arg-type]
    # What is made is written down before, so that an interrupted run can take it away.
    assert scene.made == ["queue", "subscription"]
    assert scene.asked[:4] == ["create_queue", "subscribe", "publish", "receive_message"]


@pytest.mark.parametrize(
    ("rows", "ok"),
    [([{"Status": "Active"}], True), ([{"Status": "Inactive"}], False), ([], False)],
)
def test_a_tag_that_is_not_active_counts_nothing(rows: list[Any], *, ok: bool):
    scene = Scene(list_cost_allocation_tags={"CostAllocationTags": rows})
    assert network._tag(scene).ok is ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stdout", "ok"),
    [
        ("status 0\nsound\n4\n", True),
        ("status 1\nUNSOUND\n4\n", False),
        ("status 0\nsound\n0\n", False),
        ("status 0\nsound\n", False),
        ("", False),
    ],
)
def test_bandwidth_without_gpudirect_is_no_pass(stdout: str, *, ok: bool):
    scene = Scene()
    scene.said = {"nccl-acceptance": said(stdout)}
    assert nodes._nccl(scene).ok is ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stdout", "ok"),
    [
        ("2.5 2.5\n", True),
        ("2.5 2.6\n", False),
        ("2.5\n", False),
        ("2.5 2.5 2.5\n", False),
        ("", False),
    ],
)
def test_a_run_that_was_killed_has_to_end_with_the_same_loss(stdout: str, *, ok: bool):
    scene = Scene()
    scene.said = {"resume": said(stdout)}
    assert nodes._resumes(scene).ok is ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("granted", "names", "ok"),
    [
        ("salloc: Granted job allocation 7\n", "n1\nn2\n", True),
        ("salloc: Granted job allocation 7\n", "n1\n", False),
        ("salloc: Granted job allocation 7\n", "", False),
        ("salloc: error: Job submit failed\n", "n1\nn2\n", False),
    ],
)
def test_two_nodes_have_to_be_granted(granted: str, names: str, *, ok: bool):
    scene = Scene()
    scene.said = {
        "salloc": said(granted),
        "squeue": said(names),
        "scontrol show node": said("NodeName=n1 Gres=gpu:a100:8(S:0-1)"),
    }
    assert nodes._allocate(scene).ok is ok  # type: ignore[arg-type]
    assert scene.made == ["shell"]
    if ok:
        assert (scene.memory["job"], scene.memory["gres"]) == ("7", "gpu:a100:8")


@pytest.mark.parametrize(
    ("second", "tagged", "placed"),
    [
        ({}, True, True),
        ({"Tags": []}, False, True),
        ({"Tags": [{"Key": "ultracluster:environment", "Value": "another"}]}, False, True),
        ({"Placement": {"GroupName": "another"}}, True, False),
        ({"CapacityReservationId": None}, True, False),
        ({"InstanceType": "p5.48xlarge"}, True, False),
        ({"PrivateIpAddress": "10.0.0.9"}, False, False),
    ],
)
def test_both_instances_have_to_be_tagged_and_in_their_place(
    second: dict[str, Any], *, tagged: bool, placed: bool
):
    row = {
        "Tags": [{"Key": "ultracluster:environment", "Value": "ultracluster"}],
        "InstanceType": "p4d.24xlarge",
        "Placement": {"GroupName": "Placement/Group"},
        "CapacityReservationId": "Placement/Reservation",
    }
    scene = Scene()
    scene.said = {f"node n{n}": said(f"x NodeAddr=10.0.0.{n} y") for n in (1, 2)}
    scene.deployment = SimpleNamespace(id_at=lambda _, path: path)
    scene.running = [
        {**row, "PrivateIpAddress": "10.0.0.1"},
        {**row, "PrivateIpAddress": "10.0.0.2", **second},
    ]
    assert nodes._tags(scene).ok is tagged  # type: ignore[arg-type]
    assert nodes._place(scene).ok is placed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filters", "ok"),
    [
        ({"TagKeyValue": ["user:ultracluster:environment$ultracluster"]}, True),
        ({"TagKeyValue": ["user:ultracluster:environment$another"]}, False),
        (None, False),
    ],
)
def test_a_budget_that_watches_another_tag_is_no_pass(filters: Any, *, ok: bool):
    scene = Scene(describe_budget={"Budget": {"CostFilters": filters}})
    scene.deployment = SimpleNamespace(id_at=lambda _, path: path)
    assert network._budget(scene).ok is ok  # type: ignore[arg-type]


FEWER_GPUS, _, REBOOTED, TERMINATED = faults.FAULTS


@pytest.mark.parametrize(
    ("fault", "never", "instances", "ok"),
    [
        (FEWER_GPUS, "", ("i-1",), True),
        (FEWER_GPUS, "DRAIN", ("i-1",), False),
        (FEWER_GPUS, "Restarts", ("i-1",), False),
        (FEWER_GPUS, "COMPLETED", ("i-1",), False),
        (FEWER_GPUS, "", (None,), False),
        (REBOOTED, "", ("i-1",), True),
        (REBOOTED, "DRAIN", ("i-1",), True),
        (REBOOTED, "Restarts", ("i-1",), False),
        (TERMINATED, "", ("i-1", "i-2"), True),
        (TERMINATED, "", ("i-1", "i-1"), False),
        (TERMINATED, "", ("i-1", None), False),
    ],
)
def test_a_planted_fault_takes_node_and_job_the_way_that_they_must(
    fault: faults.Fault,
    never: str,
    instances: tuple[str | None, ...],
    monkeypatch: pytest.MonkeyPatch,
    *,
    ok: bool,
):
    """It drains, requeues, comes back and is replaced; what was planted is undone before that."""
    scene, rows = Scene(reboot_instances={}, terminate_instances={}), iter(instances)
    scene.memory[faults.NODE] = "n1"
    done: list[str] = []
    scene.root = lambda command, *_: done.append(command)
    monkeypatch.setattr(
        faults, "instance_of", lambda *_: {"InstanceId": i} if (i := next(rows)) else {}
    )

    def reached(_: Any, __: str, words: str, ___: float) -> str:
        return "" if never and never in words else "Reason=no GPU [root]"

    monkeypatch.setattr(faults, "_reached", reached)

    assert faults._planted(fault, scene).ok is ok  # type: ignore[arg-type]
    planted = instances[0] is not None
    assert scene.asked == ([fault.call] if fault.call else [])
    # How it is undone is written down before; where it went wrong the journal does that.
    assert scene.made == (["shell", "shell"] if fault.plant and planted else [])
    undone = [fault.undo, faults._resume("n1")] if never not in ("DRAIN", "Restarts") else []
    assert done == ([fault.plant, *undone] if fault.plant and planted else [])


def test_what_an_environment_does_not_have_is_no_failure():
    """No topic of its own, and no budget in this Region."""
    scene = Scene()
    scene.deployment = SimpleNamespace(of_type=lambda _: [])
    assert network._message(scene).ok is True  # type: ignore[arg-type]
    scene.spec = SimpleNamespace(name="dev", region="cn-north-1")
    assert network._budget(scene).ok is True  # type: ignore[arg-type]
    assert scene.asked == []


@pytest.mark.parametrize(
    ("made", "block", "given", "found"),
    [
        (True, None, None, "Placement/Reservation"),
        (False, None, "cr-given", "cr-given"),
        (False, "cr-block", None, "cr-block"),
        (False, None, None, "none"),
    ],
)
def test_the_reservation_is_the_one_that_nodes_are_launched_onto(
    block: str | None, given: str | None, found: str, *, made: bool
):
    def named(name: str | None) -> Any:
        return None if name is None else SimpleNamespace(capacity_reservation_id=name)

    scene = Scene()
    scene.deployment = SimpleNamespace(id_at=lambda _, path: path)
    scene.spec = SimpleNamespace(
        nodes=SimpleNamespace(
            makes_reservation=made, capacity_block=named(block), capacity_reservation=named(given)
        )
    )
    assert nodes._reservation(scene) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "ok"),
    [(said("n1\n"), True), (said("\n"), False), (said("n1\n", 1), False)],
)
def test_a_node_for_the_faults_is_one_that_ran_a_job(answer: Any, *, ok: bool):
    scene = Scene()
    scene.said = {"srun --nodes=1": answer}
    assert faults._take_node(scene).ok is ok  # type: ignore[arg-type]
    assert scene.made == ["shell"]


@pytest.mark.parametrize(("rows", "ok"), [([], True), (["Vpc: changed"], False)])
def test_what_has_drifted_is_no_pass(rows: list[str], monkeypatch: pytest.MonkeyPatch, *, ok: bool):
    monkeypatch.setattr(network, "drift", lambda *_: rows)
    scene = Scene()
    scene.deployment = SimpleNamespace(stacks=(STACK,))
    assert network._drift(scene).ok is ok  # type: ignore[arg-type]
