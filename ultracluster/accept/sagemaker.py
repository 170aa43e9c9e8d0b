"""The stage of SageMaker: a small job through the state machine, on our network, key and Lustre."""

from typing import Any, Final

from ultracluster.accept.scene import Found, Scene, Stage, Step, equal, hours
from ultracluster.catalogue.prices import sagemaker_training
from ultracluster.exit_status import CommandError
from ultracluster.spec.recipe import MOUNT
from ultracluster.train.deployed import Deployed, read
from ultracluster.train.jobs import EXECUTION, Jobs
from ultracluster.train.submission import placed

INSTANCE: Final = "ml.m5.large"
CANARY_SECONDS: Final = 300
MOST_SECONDS: Final = 1800
"""For a canary that waits for its instance."""
REQUEST: Final = "request"
COMPARED: Final = ("RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig")


def _run(scene: Scene) -> Found:
    """Hand a small job to the state machine, and wait for the end of both."""
    deployed = read(scene.cloud, scene.spec.name, scene.spec.region)
    jobs, request = Jobs(scene.cloud, deployed), _request(scene, deployed)
    machine = deployed["state-machine-arn"]
    scene.journal.will_make("training job", name=scene.run)
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{scene.run}"
    scene.journal.will_make("execution", arn=arn)
    scene.commands.append(f"aws stepfunctions start-execution --state-machine-arn {machine}")
    jobs.start(request)
    scene.memory[REQUEST] = request
    ended = scene.until(
        lambda: scene.ask("stepfunctions", "describe_execution", executionArn=arn),
        EXECUTION.is_over,
        MOST_SECONDS,
    )
    why = str(ended.get("cause", ""))
    return Found("SUCCEEDED", f"{ended['status']} {why}".strip(), ended["status"] == "SUCCEEDED")


def _request(scene: Scene, deployed: Deployed) -> dict[str, Any]:
    return {
        "TrainingJobName": scene.run,
        "AlgorithmSpecification": {
            "TrainingImage": scene.image or _newest_image(scene, deployed),
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": [f"ls {MOUNT} && sleep {CANARY_SECONDS}"],
        },
        **placed(deployed),
        "ResourceConfig": {"InstanceType": INSTANCE, "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 2 * CANARY_SECONDS},
        "Tags": [{"Key": "ultracluster:environment", "Value": deployed.name}],
    }


def _newest_image(scene: Scene, deployed: Deployed) -> str:
    uri = deployed["image-repository-uri"]
    rows = scene.ask("ecr", "describe_images", repositoryName=uri.partition("/")[2])["imageDetails"]
    tagged = sorted((row for row in rows if row.get("imageTags")), key=lambda r: r["imagePushedAt"])
    if not tagged:
        raise CommandError(
            f"{uri}: it has no image for the canary; push one (docs/training/image.md), or write "
            "--image with any image of ECR that this account may pull and that has a shell"
        )
    return f"{uri}:{tagged[-1]['imageTags'][0]}"


def _as_requested(scene: Scene) -> Found:
    """What SageMaker describes is what went into the state machine, member by member."""
    request = scene.memory[REQUEST]
    job = scene.ask("sagemaker", "describe_training_job", TrainingJobName=scene.run)
    lost = [name for name in COMPARED if job.get(name) != request[name]]
    status = job["TrainingJobStatus"]
    measured = f"{status}; {', '.join(lost) or 'none'} otherwise"
    return equal("Completed; none otherwise", measured)


STAGE: Final = Stage(
    name="sagemaker",
    title="A canary of SageMaker",
    starts=f"one job on 1 x {INSTANCE}, about five minutes, ten at most",
    usd=lambda scene: hours(scene.spec, sagemaker_training(INSTANCE), 1, 2 * CANARY_SECONDS / 3600),
    steps=(
        Step(
            "a job through the state machine",
            _run,
            settles=("sync-members", "lustre-mount-name-alone", "sagemaker-source-arn"),
            refutes=False,
        ),
        Step("network, key and file system of the job", _as_requested),
    ),
)
