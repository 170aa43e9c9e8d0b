"""The verdict of a rehearsal is good only where every step is: each of them spoiled alone."""

import io
import json
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from rich.console import Console

from environments.dev import DEV
from environments.ultracluster import ULTRACLUSTER
from tests.stacks.synthesized import VARIANTS, existing
from ultracluster.aws import CloudError
from ultracluster.cli import main
from ultracluster.emulator.process import EmulatorError
from ultracluster.prove.deployment import Resource
from ultracluster.prove.leftovers import Leftover
from ultracluster.prove.proof import equal
from ultracluster.rehearse import rehearsal
from ultracluster.rehearse.cdk import CdkError
from ultracluster.rehearse.display import Display
from ultracluster.rehearse.job_proof import rehearsal_recipe
from ultracluster.rehearse.rehearsal import Rehearsal, RehearsalError
from ultracluster.rehearse.substitutes import substitute_image_parameter
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.node_groups import images
from ultracluster.spec.nodes import NodesSpec
from ultracluster.synthesis import SynthesisError

PROTECTED = "Stack [dev-Storage] cannot be deleted while TerminationProtection is enabled"
DENIED = CloudError("fsx", "describe_file_systems", "AccessDenied", "no")
ROLE = Resource("Cluster", "Role", "AWS::IAM::Role", {}, "", kept=False, physical_id="r", status="")


def of_type(name: str) -> EnvironmentSpec:
    """Return an environment of another type, which a proof alone will see."""
    nodes = NodesSpec(instance_type=name, count=2, image="ami-0123456789abcdef0")
    return EnvironmentSpec.model_construct(**{**vars(DEV), "nodes": nodes})


class Emulated(SimpleNamespace):
    """An emulated AWS that is there from its beginning."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@dataclass
class Play:
    """A rehearsal in which everything that is asked is answered by a field of this."""

    proved: bool = True
    trained: bool = True
    unchanged: int = 2
    refusal: str | None = PROTECTED
    """What the deletion of a protected stack is refused with; None where it begins."""
    left: bool = False
    stray: bool = False
    unasked: bool = False
    unfired: tuple[str, ...] = ()
    schema_only: tuple[str, ...] = ()
    fails: str = ""
    """The command of the CLI that fails."""
    refused: bool = False
    """Whether a gate refuses the templates."""
    calls: list[str] = field(default_factory=list)
    images: set[str] = field(default_factory=set)
    """Of which the account is given a parameter."""
    commands: list[list[str]] = field(default_factory=list)
    """What the CLI was called with."""
    made_of: list[Any] = field(default_factory=list)
    """What the templates were made of."""
    display: Display = field(default_factory=lambda: Display(Console(file=io.StringIO())))

    def ask(self, service: str, operation: str, **_: Any) -> dict[str, Any]:
        self.calls.append(operation)
        if operation == "delete_stack" and self.refusal:
            raise CloudError(service, operation, "ValidationError", self.refusal)
        return {}

    def run(self, arguments: list[str], _listener: Any = None) -> list[str]:
        """Answer as the CLI."""
        self.calls.append(arguments[0])
        self.commands.append(arguments)
        if arguments[0] == self.fails:
            raise CdkError("it failed")
        again = self.calls.count("deploy") > 1
        lines = ["dev-Network (no changes)"] * self.unchanged if again else []
        return [*lines, "Total time: 1 s"]

    def cli(self, _settings: Any, folder: Path | None = None) -> Any:
        """Bootstrap with the context of this project, and without its app."""
        if folder is not None:
            context = json.loads((folder / "cdk.json").read_text())["context"]
            assert context["@aws-cdk/core:validateAgainstDefaultRules"] is True
        return self

    def synthesis(self, spec: EnvironmentSpec, file: Path | None) -> Any:
        """Answer as the child that makes the templates."""
        self.synthesized = spec, file
        self.made_of.append((spec, file))

        def stage() -> Path:
            self.calls.append("synth")
            if self.fails == "synth":
                raise SynthesisError("it cannot be synthesized")
            return Path()

        made = SimpleNamespace(stage=stage, refused=self.refused, printed="NIST: no")
        return nullcontext(made)

    def strays(self, _: Any, __: str, ___: Any, unasked: list[CloudError]) -> Iterator[Leftover]:
        if self.unasked:
            unasked.append(DENIED)
        if self.stray:
            yield Leftover(ROLE, there=True, why="no stack knows of it")

    def emulator(self, **_: Any) -> Any:
        report = SimpleNamespace(
            unfired=self.unfired, schema_only=self.schema_only, problems=("GET /: broken",)
        )
        return Emulated(
            endpoint_url="http://here",
            account="1",
            environment=lambda: {"AWS_REGION": "us-east-1"},
            report=lambda: report,
        )


def played(
    play: Play,
    monkeypatch: pytest.MonkeyPatch,
    spec: EnvironmentSpec = DEV,
    *,
    keep: bool = False,
) -> bool:
    """Run a rehearsal in which nothing is real but its steps."""
    stacks = tuple(
        SimpleNamespace(
            name=f"dev-{name}", template={"Resources": {"x": 1}}, termination_protection=kept
        )
        for name, kept in (("Network", False), ("Storage", True))
    )
    deployment = SimpleNamespace(stacks=stacks, resources=(ROLE,))

    def answers(proofs: dict[str, Any], _: Any) -> Any:
        good = play.trained if "training jobs" in proofs else play.proved
        return {name: [equal("it", 1, 1 if good else 2)] for name in list(proofs)[:1]}

    monkeypatch.setattr(rehearsal, "Emulator", play.emulator)
    monkeypatch.setattr(rehearsal, "Account", lambda *_: play)
    monkeypatch.setattr(rehearsal, "Cdk", play.cli)
    monkeypatch.setattr(rehearsal, "Synthesis", play.synthesis)
    monkeypatch.setattr(rehearsal, "Deployment", lambda *_: deployment)
    monkeypatch.setattr(rehearsal, "stack_templates", lambda *_: stacks)
    monkeypatch.setattr(rehearsal, "prove", answers)
    monkeypatch.setattr(
        rehearsal, "leftovers", lambda _, found: [Leftover(each, play.left) for each in found]
    )
    monkeypatch.setattr(rehearsal, "strays", play.strays)

    def noted(cloud: Any, image: str) -> Any:
        play.images.add(image)
        return substitute_image_parameter(cloud, image)

    monkeypatch.setattr(rehearsal, "substitute_image_parameter", noted)
    monkeypatch.setattr(play.display, "summary", lambda *_: None)
    return Rehearsal(spec, environment_file=None, display=play.display).run(keep=keep)


def test_a_rehearsal_is_good_where_every_step_is(monkeypatch: pytest.MonkeyPatch):
    """Protection is lifted before stacks are destroyed, and of the protected stack alone."""
    play = Play()

    assert played(play, monkeypatch) is True

    assert play.display.record["faults"] == []
    assert play.display.record["notes"] == ["The emulated AWS noted: GET /: broken"]
    assert play.images == set(images(DEV).values())
    assert play.calls == [
        *("bootstrap", "synth", "deploy", "deploy"),
        *("delete_stack", "update_termination_protection", "destroy"),
    ]
    of_all = ["--app", ".", "--ci"]
    deploy = ["deploy", "dev/*", "--require-approval", "never", "--progress", "events", *of_all]
    assert play.commands == [
        ["bootstrap", "aws://1/us-east-1", "--ci"],
        deploy,
        deploy,
        ["destroy", "dev/*", "--force", *of_all],
    ]
    assert [(step.name, step.result) for step in play.display.steps] == [
        ("Start the emulated AWS", "http://here"),
        ("cdk bootstrap", ""),
        ("Synthesize", "2 resources in 2 stacks"),
        ("cdk deploy", ""),
        ("Prove by API calls", "1 checks"),
        ("Submit training jobs", "2 jobs of 2 x ml.p4d.24xlarge, 1 checks"),
        ("cdk deploy, again", "no changes"),
        ("Lift termination protection", "deletion was refused by dev-Storage"),
        ("cdk destroy", ""),
        ("Look at what is left", "0 of 1 resources, 0 others"),
    ]


def test_what_a_user_has_is_substituted(monkeypatch: pytest.MonkeyPatch):
    """The templates are made of the network that stands in for the user's, and its file."""
    parameter = DEV.nodes.model_copy(update={"image": "/mine/ami"})
    spec = DEV.model_copy(update={"network": existing(), "nodes": parameter})
    made = existing().model_copy(update={"vpc_id": "vpc-0000000000000000a"})
    monkeypatch.setattr(rehearsal, "substitute_network", lambda *_: made)
    play = Play(schema_only=("X", "Y"))

    played(play, monkeypatch, spec)

    ((found, file),) = play.made_of
    assert found == spec.model_copy(update={"network": made})
    assert file.name == "environment.py"
    results = {step.name: step.result for step in play.display.steps}
    wanted = "vpc-0000000000000000a in place of vpc-0123456789abcdef0"
    assert results["Make a VPC in place of yours"] == wanted
    assert play.display.record["notes"][:2] == [
        "/mine/ami: a parameter of your account; here it holds a made-up AMI id",
        "Checked against AWS's registry schema only, no service stood behind them: X, Y",
    ]


def test_an_environment_without_sagemaker_is_given_no_job(monkeypatch: pytest.MonkeyPatch):
    """Nor does one that reserves nothing say what a reservation has cost."""
    none = DEV.sagemaker.model_copy(update={"instances": 0})
    play = Play(trained=False)

    assert played(play, monkeypatch, DEV.model_copy(update={"sagemaker": none})) is True

    (note, _) = play.display.record["notes"]
    assert note == "No training job: the environment has no SageMaker instances with NVIDIA GPUs"


def test_what_is_kept_tells_which_faults_have_not_happened(monkeypatch: pytest.MonkeyPatch):
    """It stays up for ever: nobody would be told at its end."""
    play = Play(unfired=('{"type": "*"}',))

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("signal.pause", interrupted)
    with suppress(KeyboardInterrupt):
        played(play, monkeypatch, keep=True)

    assert play.display.record["faults"] == ['this fault never happened: {"type": "*"}']
    assert play.display.record["notes"][1:] == [
        "The emulated AWS stays up until Ctrl-C. In another terminal:",
        "export AWS_REGION=us-east-1",
        "",
    ]
    assert play.calls[-1] == "deploy"


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (Play(proved=False), "it should be 1, and is 2"),
        (Play(trained=False), "training jobs: it should be 1, and is 2"),
        (Play(left=True), "AWS::IAM::Role r is still there"),
        (Play(stray=True), "AWS::IAM::Role r is still there"),
        (Play(unasked=True), "what is left is not known in full"),
        (Play(unfired=('{"type": "*"}',)), "this fault never happened"),
    ],
    ids=["proof", "job", "leftover", "stray", "unasked", "unfired"],
)
def test_one_thing_that_is_not_as_it_must_be_is_no_success(
    play: Play, words: str, monkeypatch: pytest.MonkeyPatch
):
    """It is said as well; what comes after it is still looked at."""
    assert played(play, monkeypatch) is False

    assert any(words in each for each in play.display.record["faults"])
    assert play.calls[-1] == "destroy"


@pytest.mark.parametrize(
    ("play", "error", "words"),
    [
        (Play(unchanged=1), RehearsalError, "changed 1 of 2 stacks"),
        (Play(unchanged=0), RehearsalError, "changed 2 of 2 stacks"),
        (Play(refusal=None), RehearsalError, "dev-Storage is protected, and its deletion was not"),
        (Play(refusal="Rate exceeded"), CloudError, "Rate exceeded"),
        (Play(refused=True), RehearsalError, "a gate refuses the templates:\nNIST: no"),
        (Play(fails="synth"), SynthesisError, "it cannot be synthesized"),
        (Play(fails="bootstrap"), CdkError, "it failed"),
        (Play(fails="deploy"), CdkError, "it failed"),
        (Play(fails="destroy"), CdkError, "it failed"),
    ],
    ids=[
        *("one change", "all change", "not refused", "throttled"),
        *("gate", "synth", "bootstrap", "deploy", "destroy"),
    ],
)
def test_what_ends_a_rehearsal_is_no_success(
    play: Play, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
):
    """A refusal for another reason, as throttling, does not show that protection protects."""
    play.unfired = ("never",)

    with pytest.raises(error, match=words):
        played(play, monkeypatch)

    # What a fault was asked for and has not done is said in any case.
    assert play.display.record["faults"] == ["this fault never happened: never"]


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (True, 0),
        (False, 1),
        (RehearsalError("changed"), 1),
        (CdkError("failed"), 1),
        (SynthesisError("no templates"), 1),
        (DENIED, 1),
        (EmulatorError("did not start"), 2),
    ],
    ids=repr,
)
def test_the_exit_status_is_that_of_the_verdict(
    ends: Any, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The document says the same."""

    def run(_: Rehearsal, *, keep: bool) -> bool:
        del keep
        if isinstance(ends, Exception):
            raise ends
        return bool(ends)

    monkeypatch.setattr(Rehearsal, "run", run)

    assert main(["rehearse", "dev", "--format", "json"]) == status
    assert f'"good": {str(status == 0).lower()}' in capsys.readouterr().out


@pytest.mark.parametrize("fails", ["", "deploy"])
def test_paid_capacity_is_told_also_where_a_deployment_fails(
    fails: str, monkeypatch: pytest.MonkeyPatch
):
    """Whoever reads of a failure reads what it has cost."""
    play = Play(fails=fails)
    monkeypatch.setattr(rehearsal, "paid_capacity", lambda *_: ["cr-1: 2 instances"])

    with suppress(CdkError):
        played(play, monkeypatch, ULTRACLUSTER)

    assert "cr-1: 2 instances" in play.display.record["notes"][0]


def test_a_vpc_that_is_there_is_made_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else the emulated AWS would be asked for subnets that it does not have."""
    given = VARIANTS["existing"]
    network: Any = given.network
    made = network.model_copy(update={"vpc_id": "vpc-0fedcba9876543210"})
    file = tmp_path / "made.py"
    monkeypatch.setattr(rehearsal, "substitute_network", lambda *_: made)
    monkeypatch.setattr(rehearsal, "environment_file", lambda *_: file)
    play = Play()

    assert played(play, monkeypatch, given) is True
    assert play.synthesized == (given.model_copy(update={"network": made}), file)


def test_without_a_job_nothing_is_said_to_be_trained(monkeypatch: pytest.MonkeyPatch):
    """The note says why, and a reservation that was never made is no error."""
    play = Play(trained=False)
    sagemaker = ULTRACLUSTER.sagemaker.model_copy(update={"instances": 0})

    def no_stack(*_: Any) -> Any:
        raise CloudError("cloudformation", "describe_stack_events", "ValidationError", "no stack")

    monkeypatch.setattr(rehearsal, "paid_capacity", no_stack)
    spec = ULTRACLUSTER.model_copy(update={"sagemaker": sagemaker})
    assert played(play, monkeypatch, spec) is True

    notes = "\n".join(play.display.record["notes"])
    assert "No training job: the environment has no SageMaker instances" in notes
    assert "Paid capacity: no reservation was made" in notes


@pytest.mark.parametrize(
    ("spec", "trains"),
    [
        (DEV, True),
        (DEV.model_copy(update={"sagemaker": SageMakerSpec(instances=0)}), False),
        (of_type("trn1.32xlarge"), False),
        (of_type("gr6.8xlarge"), False),
    ],
    ids=["some", "none", "Trainium", "not of SageMaker"],
)
def test_a_job_is_submitted_where_one_can_train(spec: EnvironmentSpec, *, trains: bool):
    """It takes all instances, and all of their GPUs."""
    recipe = rehearsal_recipe(spec)

    assert (recipe is not None) is trains
    if recipe is not None:
        assert recipe.nodes == spec.sagemaker.instances
        assert recipe.partition_size == spec.nodes.instance.accelerator.count


@pytest.mark.parametrize("answer", [[], DENIED], ids=["none", "no events"])
def test_no_reservation_is_said_to_be_none(answer: Any, monkeypatch: pytest.MonkeyPatch):
    def paid(*_: Any) -> list[str]:
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    play = Play()
    monkeypatch.setattr(rehearsal, "paid_capacity", paid)
    played(play, monkeypatch, ULTRACLUSTER)

    assert play.display.record["notes"][0] == "Paid capacity: no reservation was made"
