"""An environment with several queues and node groups, deployed and proved."""

import pytest

import app
from tests.rehearse.conftest import Deployed, Deployer
from tests.rehearse.kept_answers import Answers, checks, never_false
from tests.stacks.synthesized import VARIANTS
from ultracluster.emulator.process import Emulator
from ultracluster.prove.proof import Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.environment import EnvironmentSpec


@pytest.fixture(scope="module")
def deployed(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Return it, deployed and left alone."""
    spec = VARIANTS["slurm-queues"]
    assembly = tmp_path_factory.mktemp("queues")
    app.build([spec], outdir=str(assembly)).synth()
    return Deployer(emulator, assembly, accounts=810).deploy(spec)


def failures(deployed: Deployed, spec: EnvironmentSpec) -> list[str]:
    """Return what the proofs of a rehearsal say against an environment."""
    results = prove(PROOFS, Evidence(spec, deployed.deployment, deployed.cloud))
    return [str(check) for checks in results.values() for check in checks if not check.ok]


def test_every_group_and_queue_is_proved(deployed: Deployed):
    """What further groups and queues ask for is there."""
    assert failures(deployed, deployed.spec) == []
    evidence = Evidence(deployed.spec, deployed.deployment, deployed.cloud)
    subjects = {each.subject for each in prove({"nodes": PROOFS["nodes"]}, evidence)["nodes"]}
    assert {
        f"{what} of the nodes of group cpu"
        for what in ("instance type", "EFA interfaces", "security groups", "launch template")
    } <= subjects


@pytest.mark.parametrize(
    ("area", "count"),
    [("launch template", 16), ("placement and capacity", 12), ("nodes", 34), ("Slurm", 27)],
)
def test_every_check_of_groups_and_queues_is_false_for_some_answer(
    deployed: Deployed, area: str, count: int
):
    """Those of a further group by themselves: each check names it."""
    cloud = Answers(deployed.cloud)
    given = deployed.spec, deployed.stacks, cloud
    assert len(checks(given, area)) == count
    cloud.cloud = None

    assert never_false(given, area) == set()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {"queues": (queue(s, 0, priority_tier=3), *s.queues[1:])}, "of the queue train"),
        (lambda s: {"queues": (s.queues[1], s.queues[0], s.queues[2])}, "without --partition"),
        (
            lambda s: {
                "queues": (s.queues[0], s.queues[1], queue(s, 2, node_groups=("nodes", "cpu")))
            },
            "node groups of the queue prepare",
        ),
        (lambda s: {"node_groups": (group(s, 0, count=1), s.node_groups[1])}, "group h100"),
        (
            lambda s: {"node_groups": (group(s, 0, placement_group=False), s.node_groups[1])},
            "placement group of the nodes, group h100",
        ),
        (lambda s: {"node_groups": (s.node_groups[0], group(s, 1, least_nodes=0))}, "node groups"),
    ],
)
def test_another_wish_than_what_is_there_fails(deployed: Deployed, change, words):
    """A proof that nothing can fail proves nothing."""
    slurm = deployed.spec.slurm
    assert slurm is not None
    other = slurm.model_copy(update=change(slurm))
    wish = deployed.spec.model_copy(update={"slurm": other})

    found = failures(deployed, wish)

    assert any(words in line for line in found), found


def queue(slurm, index, **changes):
    """Return a queue of Slurm with other values."""
    return slurm.queues[index].model_copy(update=changes)


def group(slurm, index, **changes):
    """Return a node group of Slurm with other values."""
    return slurm.node_groups[index].model_copy(update=changes)
