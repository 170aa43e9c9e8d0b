"""The steps of a rehearsal, from synthesis to the search for resources that are left."""

import json
import signal
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from ultracluster.aws import Account, Cloud, CloudError
from ultracluster.emulator.process import EMULATED, Emulator
from ultracluster.environments import project_folder
from ultracluster.prove.deployment import Deployment, stack_templates
from ultracluster.prove.leftovers import leftovers, strays
from ultracluster.prove.proof import Evidence, Results, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.rehearse.cdk import Cdk, CdkError
from ultracluster.rehearse.direct import refuses_deletion
from ultracluster.rehearse.display import Display
from ultracluster.rehearse.job_proof import rehearsal_recipe, training_jobs
from ultracluster.rehearse.paid_capacity import paid_capacity
from ultracluster.rehearse.substitutes import (
    environment_file,
    substitute_image_parameter,
    substitute_network,
)
from ultracluster.retry.command import unprotect
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.network import ExistingNetworkSpec
from ultracluster.spec.node_groups import images
from ultracluster.synthesis import Synthesis, SynthesisError, cdk_context

EVENTS: Final = ("--progress", "events")


class RehearsalError(RuntimeError):
    """A step whose result is not what it must be."""


class Rehearsal:
    """One environment, deployed to an emulated AWS by the real CDK CLI, and taken down again."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        *,
        environment_file: Path | None,
        display: Display,
        faults: Path | None = None,
    ) -> None:
        self._spec = spec
        self._file = environment_file
        self._display = display
        self._faults = faults
        self._nodes: Path | None = None

    def run(self, *, keep: bool) -> bool:
        """Run every step; return whether every check passed.

        Args:
            keep: leave the deployed environment up until the process is interrupted, instead of
                destroying it.
        """
        with ExitStack() as children:
            temporary = tempfile.TemporaryDirectory(
                prefix="ultracluster-", ignore_cleanup_errors=True
            )
            directory = Path(children.enter_context(temporary))
            synthesis: Synthesis | None = None
            if not isinstance(self._spec.network, ExistingNetworkSpec):
                # It is waited for once the emulated AWS is bootstrapped.
                synthesis = children.enter_context(Synthesis(self._spec, self._file))
            emulator = self._started(children)
            try:
                self._substitute(emulator, directory)
                synthesis = synthesis or children.enter_context(Synthesis(self._spec, self._file))
                self._bootstrap(emulator, directory)
                good = self._on(emulator, self._synthesized(synthesis), keep=keep)
            except (CdkError, CloudError, RehearsalError, SynthesisError):
                self._all_fired(emulator)
                raise
            return self._all_fired(emulator) and good

    def _started(self, children: ExitStack) -> Emulator:
        with self._display.step("Start the emulated AWS") as step:
            emulator = Emulator(
                region=self._spec.region,
                account=self._spec.account or EMULATED,
                faults=self._faults,
                nodes=self._nodes,
            )
            children.enter_context(emulator)
            step.result = emulator.endpoint_url
        return emulator

    def _substitute(self, emulator: Emulator, directory: Path) -> None:
        """Make what the environment takes from the account: an image's parameter, a VPC."""
        account = Account(self._spec.region, emulator.environment())
        for image in set(images(self._spec).values()):
            if name := substitute_image_parameter(account, image):
                words = "a parameter of your account; here it holds a made-up AMI id"
                self._display.note(f"  {name}: {words}")
        network = self._spec.network
        if not isinstance(network, ExistingNetworkSpec):
            return
        with self._display.step("Make a VPC in place of yours") as step:
            made = substitute_network(account, network)
            self._spec = self._spec.model_copy(update={"network": made})
            self._file = environment_file(self._spec, directory)
            step.result = f"{made.vpc_id} in place of {network.vpc_id}"

    def _on(self, emulator: Emulator, assembly: Path, *, keep: bool) -> bool:
        cdk, cloud, deployment = self._account(emulator, assembly)
        try:
            with self._display.step("cdk deploy"):
                self._deploy(cdk, assembly)
        finally:
            self._paid(cloud, deployment)
        evidence = Evidence(self._spec, deployment, cloud)
        with self._display.step("Prove by API calls") as step:
            results = prove(PROOFS, evidence)
            step.result = f"{sum(map(len, results.values()))} checks"
        results |= self._train(evidence)
        self._display.proof(results)
        good = all(check.ok for checks in results.values() for check in checks)
        self._report(emulator)
        if keep:
            self._all_fired(emulator)
            self._end(evidence)
            self._keep(emulator)
        self._deploy_again(cdk, assembly)
        good &= self._destroy(cdk, cloud, deployment, assembly)
        self._end(evidence)
        return good

    def _account(self, emulator: Emulator, assembly: Path) -> tuple[Cdk, Account, Deployment]:
        settings = emulator.environment()
        cloud = Account(self._spec.region, settings)
        stacks = stack_templates(assembly, self._spec.name)
        return Cdk(settings), cloud, Deployment(cloud, stacks)

    def _all_fired(self, emulator: Emulator) -> bool:
        """Whether every fault that was asked for has happened: otherwise nothing was shown."""
        unfired = emulator.report().unfired
        for rule in unfired:
            self._display.fault(f"this fault never happened: {rule}")
        return not unfired

    def _end(self, evidence: Evidence) -> None:
        self._display.summary(self._spec, evidence.facts)
        self._display.total()

    def _synthesized(self, synthesis: Synthesis) -> Path:
        with self._display.step("Synthesize") as step:
            assembly = synthesis.stage().parent
            if synthesis.refused:
                raise RehearsalError(f"a gate refuses the templates:\n{synthesis.printed}")
            stacks = stack_templates(assembly, self._spec.name)
            count = sum(len(stack.template["Resources"]) for stack in stacks)
            step.result = f"{count} resources in {len(stacks)} stacks"
        return assembly

    def _bootstrap(self, emulator: Emulator, directory: Path) -> None:
        # What the project says of a bootstrap stack, without its app: the CLI would run that first.
        context = cdk_context(project_folder())
        (directory / "cdk.json").write_text(json.dumps({"context": context}))
        with self._display.step("cdk bootstrap"):
            target = f"aws://{emulator.account}/{self._spec.region}"
            cdk = Cdk(emulator.environment(), directory)
            cdk.run(["bootstrap", target, "--ci"], self._display.listen)

    def _deploy(self, cdk: Cdk, assembly: Path) -> list[str]:
        approved = (f"{self._spec.name}/*", "--require-approval", "never")
        return self._cdk(cdk, assembly, "deploy", *approved, *EVENTS)

    def _cdk(self, cdk: Cdk, assembly: Path, *arguments: str) -> list[str]:
        return cdk.run([*arguments, "--app", str(assembly), "--ci"], self._display.listen)

    def _train(self, evidence: Evidence) -> Results:
        """Submit a job as `ultracluster train submit` does, directly and unattended."""
        recipe = rehearsal_recipe(self._spec)
        if recipe is None:
            words = "the environment has no SageMaker instances with NVIDIA GPUs"
            self._display.note(f"  No training job: {words}")
            return {}
        with self._display.step("Submit training jobs") as step:
            results = prove({"training jobs": partial(training_jobs, recipe)}, evidence)
            words = f"{recipe.nodes:,} x ml.{recipe.instance_type}"
            step.result = f"2 jobs of {words}, {sum(map(len, results.values()))} checks"
        return results

    def _report(self, emulator: Emulator) -> None:
        report = emulator.report()
        if report.schema_only:
            self._display.note(
                "Checked against AWS's registry schema only, no service stood behind them: "
                + ", ".join(report.schema_only)
            )
        for problem in report.problems:
            self._display.note(f"The emulated AWS noted: {problem}")

    def _paid(self, cloud: Cloud, deployment: Deployment) -> None:
        """Say what reserved capacity was charged, also where the deployment failed."""
        if not self._spec.nodes.makes_reservation:
            return
        try:
            found = [p for s in deployment.stacks for p in paid_capacity(cloud, s.name)]
        except CloudError:
            found = []  # a stack that was never begun has no events
        for paid in found:
            self._display.note(f"  Paid capacity, by the emulated clock: {paid}")
        if not found:
            self._display.note("  Paid capacity: no reservation was made")

    def _deploy_again(self, cdk: Cdk, assembly: Path) -> None:
        with self._display.step("cdk deploy, again") as step:
            lines = self._deploy(cdk, assembly)
            unchanged = sum("(no changes)" in line for line in lines)
            stacks = len(stack_templates(assembly, self._spec.name))
            if unchanged != stacks:
                raise RehearsalError(
                    f"the second deployment changed {stacks - unchanged} of {stacks} stacks; "
                    "a deployment of the same templates must change nothing"
                )
            step.result = "no changes"

    def _destroy(self, cdk: Cdk, cloud: Cloud, deployment: Deployment, assembly: Path) -> bool:
        resources = deployment.resources  # read now: deleted stacks list nothing
        unasked: list[CloudError] = []
        self._lift_protection(cloud, deployment)
        with self._display.step("cdk destroy"):
            self._cdk(cdk, assembly, "destroy", f"{self._spec.name}/*", "--force")
        with self._display.step("Look at what is left") as step:
            known = list(leftovers(cloud, resources))
            others = list(strays(cloud, self._spec.name, resources, unasked))
            there = sum(entry.there for entry in known)
            step.result = f"{there} of {len(known)} resources, {len(others)} others"
        found = [*known, *others]
        self._display.left(found)
        for error in unasked:
            self._display.fault(f"what is left is not known in full: {error}")
        return not unasked and all(entry.expected for entry in found)

    def _lift_protection(self, cloud: Cloud, deployment: Deployment) -> None:
        """See that protected stacks refuse to be deleted, then allow it as an operator would."""
        protected = [stack.name for stack in deployment.stacks if stack.termination_protection]
        if not protected:
            return
        with self._display.step("Lift termination protection") as step:
            for name in protected:
                if not refuses_deletion(cloud, name):
                    raise RehearsalError(f"{name} is protected, and its deletion was not refused")
                unprotect(cloud, name)
            step.result = f"deletion was refused by {', '.join(protected)}"

    def _keep(self, emulator: Emulator) -> NoReturn:
        """Say how to reach the emulated AWS, and wait until the process is interrupted."""
        self._display.note("\nThe emulated AWS stays up until Ctrl-C. In another terminal:\n")
        for name, value in emulator.environment().items():
            self._display.note(f"  export {name}={value}")
        self._display.note("")
        while True:
            signal.pause()
