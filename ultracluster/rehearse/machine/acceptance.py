"""`ultracluster accept` against machines: its stages of nodes, with a real Slurm."""

import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from ultracluster.accept.journal import Journal
from ultracluster.accept.login import LOGIN_NODES
from ultracluster.accept.scene import Scene
from ultracluster.accept.session import PASS, STAGES, Session
from ultracluster.aws import Cloud, caller_of
from ultracluster.emulator.process import Emulator
from ultracluster.environments import project_folder
from ultracluster.exit_status import UsageError
from ultracluster.prove.deployment import Deployment, Resource, described
from ultracluster.rehearse.display import Display
from ultracluster.rehearse.machine.fleet import INSTANCE, DataRepositories, Fleet, NodeGroup
from ultracluster.rehearse.machine.image import Image
from ultracluster.rehearse.machine.rehearsal import Finding
from ultracluster.rehearse.machine.user_data import booted_nodes
from ultracluster.rehearse.machine.virtual_cluster import DISKS, LOGIN, VirtualCluster
from ultracluster.rehearse.rehearsal import Rehearsal
from ultracluster.spec.environment import EnvironmentSpec

ON_NODES: Final = ("login", "nodes", "faults", "end")
"""The stages that act on nodes; the others need none."""
NODES: Final = ("n1", "n2")
IDLE_SECONDS: Final = 180
"""Sooner than an environment has its idle nodes stopped; longer than a step looks away."""
PATIENCE: Final = 3.0
"""Of what waits for machines whose instructions are emulated one by one."""
PROGRAM: Final = Path(__file__).with_name("program")


class NodeAcceptance(Rehearsal):
    """An environment deployed to an emulated AWS whose instances are virtual machines.

    Raises:
        UsageError: where the environment has no Slurm, or the training program is not here.
    """

    def __init__(
        self, spec: EnvironmentSpec, *, environment_file: Path | None, display: Display
    ) -> None:
        super().__init__(spec, environment_file=environment_file, display=display)
        if spec.slurm is None:
            raise UsageError(
                f"{spec.name} has no Slurm, and `accept` has no stage for its nodes; "
                "leave --accept out"
            )
        self._training = project_folder() / "training"
        if not (self._training / "slurm").is_dir():
            raise UsageError(
                f"{self._training} is not there; run this in a folder of the project's source"
            )
        self._folder = Path()
        self.findings: list[Finding] = []

    def accept(self, image: Image) -> None:
        """Run it with machines of an image; what was found is in `findings`."""
        with tempfile.TemporaryDirectory(prefix="ultracluster-accept-") as folder:
            self._image, self._folder = image, Path(folder)
            self._nodes = self._folder / INSTANCE
            self.run(keep=False)

    def _on(self, emulator: Emulator, assembly: Path, *, keep: bool) -> bool:
        del keep
        cdk, cloud, deployment = self._account(emulator, assembly)
        with ExitStack() as stack:
            cluster = stack.enter_context(self._cluster(deployment))
            prepare(cluster.shared, self._training)
            with self._display.step("cdk deploy"):
                self._deploy(cdk, assembly)
            store = DataRepositories(self._spec, deployment, cloud, cluster.shared)
            fleet = stack.enter_context(Fleet(cluster, self._folder, store.synchronize))
            self._begin(cluster, fleet, cloud, deployment)
            session = self._accept(cluster, deployment, cloud)
        left = [f"not taken away: {entry}" for entry in session.left]
        wrong = [Finding("all", words, ok=False, found="") for words in (*fleet.problems, *left)]
        self.findings += wrong
        return session.status == 0 and not wrong

    def _cluster(self, deployment: Deployment) -> VirtualCluster:
        return VirtualCluster(
            self._image,
            booted_nodes(deployment.stacks),
            NODES,
            login=True,
            idle_seconds=IDLE_SECONDS,
            disk_bytes=(self._spec.nodes.instance.local_nvme_gb or 0) * 10**9 // DISKS,
        )

    def _begin(
        self, cluster: VirtualCluster, fleet: Fleet, cloud: Cloud, deployment: Deployment
    ) -> None:
        with self._display.step("Boot the login node") as step:
            seconds = cluster.controller.wait_for_boot()
            cluster.controller.ask("systemctl start slurmctld")
            step.result = f"up {seconds:.0f} s after power-on"
        self.findings.append(Finding(LOGIN, "boots", ok=True, found=step.result, seconds=seconds))
        fleet.start(cloud, *node_groups(cloud, deployment))

    def _accept(self, cluster: VirtualCluster, deployment: Deployment, cloud: Cloud) -> Session:
        version = cluster.slurm("sinfo --version").split()[1].rpartition(".")[0]
        slurm = self._spec.slurm and self._spec.slurm.model_copy(update={"version": version})
        scene = Scene(
            # Debian's Slurm is of another version than the cluster's.
            spec=self._spec.model_copy(update={"slurm": slurm}),
            cloud=cloud,
            caller=caller_of(cloud, self._spec.region),
            deployment=deployment,
            journal=Journal(self._folder / "journal.json"),
            run=f"accept-{secrets.token_hex(3)}",
            user="ubuntu",
            program="/fsx/ultracluster",
            patience=PATIENCE,
        )
        session = Session(scene, self._display.note, lambda _: True)
        try:
            session.run([stage for stage in STAGES if stage.name in ON_NODES])
        finally:
            self.findings += [
                Finding(each.stage, each.step, each.verdict == PASS, each.measured, each.seconds)
                for each in session.results
            ]
        return session


def node_groups(cloud: Cloud, deployment: Deployment) -> tuple[NodeGroup, NodeGroup]:
    """Return the deployed group of login nodes, and the environment's own group."""
    groups = deployment.of_type("AWS::PCS::ComputeNodeGroup")
    login = next(each for each in groups if LOGIN_NODES in each.path)
    nodes = next(each for each in groups if each is not login)
    return _group(cloud, login), _group(cloud, nodes)


def _group(cloud: Cloud, resource: Resource) -> NodeGroup:
    (group,) = described(cloud, resource.resource_type, str(resource.physical_id))
    return NodeGroup(group["id"], group["customLaunchTemplate"]["id"])


def prepare(shared: Path, training: Path) -> None:
    """Lay out the shared file system as FSx and prepare.sh do, with stand-ins for programs."""
    for name in ("data", "checkpoints", "ultracluster/venv/bin", "ultracluster/bin"):
        (shared / name).mkdir(parents=True)
    home = shared / "ultracluster"
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(training, home / "program" / "training", ignore=left_out)
    # A link of this machine is none on the others.
    shutil.copytree(training / "slurm", home / "slurm")
    for name, place in (("python3", "venv/bin"), ("all_reduce_perf", "bin"), ("train", ".")):
        copied = shutil.copy(PROGRAM / name, home / place / name)
        Path(copied).chmod(0o755)
    home.chmod(0o1777)
