"""What the reader of a page has before the first command, as the page says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.docs.bench import BY_NAME, Bench
from tests.docs.pages import ROOT
from tests.planner.nccl_log import log
from tests.repository import ENVIRONMENTS, RECIPES
from tests.train.requests import REGISTRY, changed, request
from tests.training.slurm.cluster import until
from ultracluster.catalogue.images import PCS_READY_AMI

ON_NODES: Final = "#!/bin/bash\nsleep 600\n"
MORE_NODES: Final = """from environments.staging import STAGING
from ultracluster.spec.budget import PriceSpec
NODES = STAGING.nodes.model_copy(update={{"count": {count}}})
ITEMS = ("pcs/MEDIUM/controller", "pcs/MEDIUM/node")
PRICES = tuple(PriceSpec(item=item, usd=1, source="assumed") for item in ITEMS)
BUDGET = STAGING.budget.model_copy(
    update={{"ceiling_usd_per_day": 60_000, "prices": (*STAGING.budget.prices, *PRICES)}}
)
MY = STAGING.model_copy(update={{"name": "my", "nodes": NODES, "budget": BUDGET}})
"""
MONDAY: Final = """from environments.staging import STAGING
from ultracluster.spec.budget import PriceSpec
from ultracluster.spec.nodes import CapacityBlockSpec
BLOCK = CapacityBlockSpec(capacity_reservation_id="cr-0123456789abcdef0")
PAID = PriceSpec(item="ec2/p4d.24xlarge/capacity-block", usd=11.8, source="the offering")
MONDAY = STAGING.model_copy(update={
    "name": "monday",
    "nodes": STAGING.nodes.model_copy(update={"placement_group": False, "capacity_block": BLOCK}),
    "budget": STAGING.budget.model_copy(update={"prices": (*STAGING.budget.prices, PAID)}),
})
"""
TEMPLATE: Final = """
Parameters: {MaxNodes: {Type: Number, Default: 2}}
Resources: {Place: {Type: AWS::EC2::PlacementGroup, Properties: {Strategy: cluster}}}
"""
OWN_IMAGE: Final = """
from ultracluster.spec.node_image import NodeImageSpec
STAGING = STAGING.model_copy(update={"node_image": NodeImageSpec()})
"""
MICROSECONDS: Final = {size: 60 + size / 42_000 for size in (2**n for n in range(3, 31))}
"""Of nccl-tests on two nodes, by bytes: 42 GB/s and 60 µs."""
RUN: Final = {
    "event": "start",
    "gpu": "NVIDIA A100-SXM4-40GB",
    "gpus": 16,
    "settings": {
        "model": {"layers": 24, "width": 2048, "heads": 16, "vocabulary": 50304, "sequence": 2048},
        "data": {"micro_batch": 4, "global_batch": 512},
        "parallel": {"partition_size": 8},
        "numerics": {"checkpoint_every": 0, "dtype": "bf16"},
    },
}
STEPS: Final = [{"event": "step", "tokens_per_s": 300_000, "memory_gib": 30}] * 30
"""What the training program writes."""
KEPT: Final = {
    "AWS::EC2::CapacityReservation": "cr-...",
    "AWS::EC2::PlacementGroup": "GROUP",
    "AWS::FSx::FileSystem": "fs-...",
    "AWS::EC2::SecurityGroup": "sg-...",
    "AWS::EC2::Subnet": "subnet-...",
    "AWS::EC2::VPC": "vpc-...",
    "AWS::S3::Bucket": "BUCKET",
    "AWS::ECR::Repository": "REPOSITORY",
    "AWS::Logs::LogGroup": "LOG_GROUP",
    "AWS::KMS::Key": "KEY",
}
"""What the page of deletion calls the first of each type that is kept."""


def prepare(page: str, bench: Bench, folder: Path) -> None:
    """Make it."""
    bench.clone(folder)
    bench.values = {"ENVIRONMENT": "staging", "ENV": "staging", "NODE": bench.node.name}
    PREPARED.get(page, lambda b, _: b.deployed(BY_NAME["staging"]))(bench, folder)


def job(bench: Bench, folder: Path) -> None:
    """Have a job that runs, on a node that a check found sound."""
    bench.deployed(BY_NAME["staging"])
    script = folder / "job.sh"
    script.write_text(ON_NODES)
    number = bench.slurm.submit(script, options=("--nodes=1", "--requeue"), work=folder)
    until("a job that runs", lambda: bench.slurm.job(number)["JobState"] == "RUNNING")
    bench.values |= {"JOB": str(number), "NAME": str(number)}


def unfit_node(bench: Bench, folder: Path) -> None:
    """Have a node that a check took out."""
    del folder
    bench.deployed(BY_NAME["staging"])
    cloud = bench.node.root / "var/lib/cloud/data/instance-id"
    cloud.write_text(bench.values["INSTANCE"] + "\n")
    bench.node.unfit()


def nothing(bench: Bench, folder: Path) -> None:
    """Have an account that is bootstrapped, and nothing more."""
    del folder
    bench.empty()


def without_bootstrap(bench: Bench, folder: Path) -> None:
    """Have an account in which nothing is."""
    del folder
    bench.account()


def two_accounts(bench: Bench, folder: Path) -> None:
    """Have what is deployed in one account, and the credentials of the one that is bootstrapped."""
    del folder
    bench.deployed(BY_NAME["staging"])
    bench.values["npx cdk bootstrap"] = "AWS_ACCESS_KEY_ID=444455556666 npx cdk bootstrap"


def pull_request(bench: Bench, folder: Path) -> None:
    """Have the templates of the branch that a change goes to."""
    bench.deployed(BY_NAME["staging"])
    bench.values["my-cluster"] = "staging"
    shutil.copytree(bench.templates.of(*ENVIRONMENTS), folder / "base" / "cdk.out")


def sixteen_nodes(bench: Bench, folder: Path) -> None:
    """Have 16 nodes, and a file that says 64."""
    file = folder / "my.py"
    file.write_text(MORE_NODES.format(count=16))
    bench.deployed(bench.loaded(file))
    file.write_text(MORE_NODES.format(count=64))


def block(bench: Bench, folder: Path) -> None:
    """Have the environment's file, and an account without it."""
    (folder / "monday.py").write_text(MONDAY)
    bench.empty()


def upgraded(bench: Bench, folder: Path) -> None:
    """Have the version of Slurm that is here where the page names one."""
    del folder
    bench.deployed(BY_NAME["staging"])
    version = bench.slurm.ask("sinfo", "--version").split()[1]
    bench.values["25.11"] = ".".join(version.split(".")[:2])


def reserved(bench: Bench, folder: Path) -> None:
    """Have the environment that keeps accounting."""
    del folder
    bench.deployed(BY_NAME["ultracluster"])


def kept(bench: Bench, folder: Path) -> None:
    """Have an environment, and the ids of what its deletion leaves."""
    del folder
    resources = bench.deployed(BY_NAME["ultracluster"]).deployment.resources
    for resource in resources:
        words = KEPT.get(resource.resource_type)
        if words and resource.kept:
            bench.values.setdefault(words, str(resource.physical_id))


def measured(bench: Bench, folder: Path) -> None:
    """Have what nccl-tests and a run wrote, and the name of a repository."""
    bench.values["REPOSITORY_URI"] = f"{REGISTRY}/training"
    both_ways = 2 * 15 / 16  # what all-reduce sends between 16 ranks, to what it reduces
    rows = [
        (size, took, size / took / 1000, both_ways * size / took / 1000)
        for size, took in MICROSECONDS.items()
    ]
    for name in ("nccl-tests.log", "nccl.log"):
        (folder / name).write_text(log(2, rows))
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, (RUN, *STEPS))))


def job_files(bench: Bench, folder: Path) -> None:
    """Stand in the folder of the job files."""
    bench.deployed(BY_NAME["staging"])
    for file in (ROOT / "training" / "slurm").glob("*.sbatch"):
        shutil.copy(file, folder / file.name)


def templates(bench: Bench, folder: Path) -> None:
    """Have templates of one's own, and what `cdk synth` made."""
    bench.empty()
    for name in ("network", "nodes"):
        (folder / f"{name}.yaml").write_text(TEMPLATE)
    shutil.copytree(bench.templates.of(BY_NAME["dev"]), folder / "cdk.out")


def file_of_ones_own(bench: Bench, folder: Path) -> None:
    """Have an environment in a file beside the project."""
    bench.empty()
    (folder / "mine.py").write_text(MORE_NODES.format(count=2))


def wrong_request(bench: Bench, folder: Path) -> None:
    """Have a request with four mistakes, and an image that jobs run."""
    deployed = bench.deployed(BY_NAME["staging"])
    repository = deployed.deployment.id_at("Training", "Images/Resource/Resource")
    (tag,) = {recipe.image for recipe in RECIPES if recipe.name == "gpt-13b"}
    manifest = {"imageManifest": '{"schemaVersion":2}', "imageTag": tag}
    deployed.cloud.ask("ecr", "put_image", repositoryName=repository, **manifest)
    theirs = request()
    settings = json.loads(theirs["HyperParameters"]["settings"])
    settings |= {"parallel.partition_size": "48"}
    mistakes = {
        "VpcConfig.Subnets": [f"subnet-{n:017x}" for n in range(17)],
        "RetryStrategy.MaximumRetryAttempts": 31,
        "ResourceConfig.VolumeKmsKeyId": "alias",
        "HyperParameters.settings": json.dumps(settings),
    }
    for path, value in mistakes.items():
        theirs = changed(theirs, path, value)
    (folder / "theirs.json").write_text(json.dumps(theirs))


def own_image(bench: Bench, folder: Path) -> None:
    """Have an environment whose file asks for an image of its own, which was built before."""
    cloud = bench.deployed(BY_NAME["staging"]).cloud
    today = cloud.ask("ssm", "get_parameter", Name=PCS_READY_AMI)["Parameter"]["Value"]
    built = {"Name": "/ultracluster/staging/node-image-id", "Value": today}
    cloud.ask("ssm", "put_parameter", Type="String", **built)
    with (folder / "environments" / "staging.py").open("a") as file:
        file.write(OWN_IMAGE)


def ended_job(bench: Bench, folder: Path) -> None:
    """Have a job that has ended, whose output is there."""
    bench.deployed(BY_NAME["staging"])
    script = folder / "job.sh"
    script.write_text("#!/bin/bash\necho trained\n")
    number = bench.slurm.submit(script, options=("--nodes=1",), work=folder)
    bench.slurm.ended(number)
    bench.values["JOB"] = str(number)


PREPARED: Final[dict[str, Callable[[Bench, Path], object]]] = {
    "docs/audit.md": templates,
    "docs/cost.md": file_of_ones_own,
    "docs/deploy.md": without_bootstrap,
    "docs/existing-vpc.md": nothing,
    "docs/grow.md": sixteen_nodes,
    "docs/operate/capacity-block.md": block,
    "docs/operate/delivery.md": two_accounts,
    "docs/operate/job-hangs.md": job,
    "docs/operate/node-died.md": unfit_node,
    "docs/operate/alarms.md": job,
    "docs/operate/upgrade.md": upgraded,
    "docs/pipeline.md": pull_request,
    "docs/planner.md": measured,
    "docs/operate/waste.md": reserved,
    "docs/retention.md": kept,
    "docs/training/contract.md": job_files,
    "docs/training/image.md": measured,
    "docs/training/node-image.md": own_image,
    "docs/training/sagemaker.md": wrong_request,
    "docs/training/slurm.md": ended_job,
}
"""By page; every other page has `staging`, deployed."""
