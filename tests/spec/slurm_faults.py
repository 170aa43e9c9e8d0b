"""Single faults of Slurm: its own values, and nodes, image, Region and network that do not fit."""

from tests.spec.faults import Fault, fault
from tests.spec.samples import IMAGE, P4D, RESERVED, SCRATCH, SLURM, changed
from ultracluster.spec.network import INTERFACE_ENDPOINTS
from ultracluster.spec.node_image import NodeImageSpec
from ultracluster.spec.nodes import DEEP_LEARNING_AMI
from ultracluster.spec.slurm import PCS_READY_AMI, PCS_READY_AMI_ARM64, SlurmSpec

COMPONENT = "arn:aws:imagebuilder:us-east-1:aws:component/pyxis/1.2.3"
LOGIN = "slurm.login_instance_type"
ROOM = {"network.training_subnet_cidrs": ("10.0.0.0/17",)}
LARGEST = changed(SLURM, {**ROOM, "nodes.count": 2047, "sagemaker.instances": 0})
UNPINNED = changed(SLURM, {"storage": SCRATCH.storage, "nodes.image": PCS_READY_AMI})
CLOSED = changed(
    SLURM,
    {
        "network.public_subnet_cidr": None,
        "network.interface_endpoints": (*INTERFACE_ENDPOINTS, "pcs"),
    },
)

FAULTS = [
    fault("queue with an underscore", SLURM, "slurm.queue", "my_queue", '"my-queue"', "my-queue"),
    fault("queue of two letters", SLURM, "slurm.queue", "qq", 'write "train"', "train"),
    fault("queue that begins as PCS ids do", SLURM, "slurm.queue", "pcs_1", '"pcs-1"', "pcs-1"),
    fault("queue too long", SLURM, "slurm.queue", "q" * 26, "q" * 25, "q" * 25),
    fault("version that PCS lacks", SLURM, "slurm.version", "23.11", "choose '24.11'", "25.05"),
    fault("size that PCS lacks", SLURM, "slurm.size", "HUGE", "'LARGE'", "LARGE"),
    fault(
        "size too small for the nodes",
        SLURM,
        "slurm.size",
        "SMALL",
        'are 33; write "MEDIUM"',
        None,
        also={"nodes.count": 32},
    ),
    fault(
        "size too small by its login nodes",
        changed(SLURM, {**ROOM, "slurm.login_nodes": 2, "nodes.count": 510}),
        "slurm.size",
        "SMALL",
        '510 nodes + 2 login nodes are 512; write "MEDIUM"',
        "MEDIUM",
    ),
    fault("more nodes than PCS manages", LARGEST, "nodes.count", 2048, "write 2047", 2047),
    fault("more nodes kept than there are", SLURM, "slurm.least_nodes", 5, "at most 4", 4),
    fault("fewer nodes kept than none", SLURM, "slurm.least_nodes", -1, "at least 0", 0),
    fault("idle for a second", SLURM, "slurm.idle_seconds", 1, "at least 60", 600),
    fault("accounting for no day", SLURM, "slurm.accounting_days", 0, "write None", None),
    fault("accounting for too long", SLURM, "slurm.accounting_days", 10001, "at most 10000", -1),
    fault("no login node of a type", SLURM, "slurm.login_nodes", 0, "at least 1", 1),
    fault("login type that is none", SLURM, LOGIN, "large", "m6i.xlarge", "m6i.xlarge"),
    fault(
        "login type of another architecture",
        UNPINNED,
        LOGIN,
        "m7g.xlarge",
        "m6i.xlarge",
        "m6i.xlarge",
    ),
    fault(
        "login image of another architecture",
        changed(UNPINNED, {"slurm.login_image": PCS_READY_AMI}),
        LOGIN,
        "c7gn.xlarge",
        "write m6i.xlarge",
        "m6i.xlarge",
    ),
    fault(
        "login type of x86 with an arm64 image",
        changed(UNPINNED, {"slurm.login_image": PCS_READY_AMI_ARM64, LOGIN: "m7g.xlarge"}),
        LOGIN,
        "m6i.xlarge",
        "write m7g.xlarge",
        "m7g.xlarge",
    ),
    fault(
        "image that moves under data",
        SLURM,
        "nodes.image",
        PCS_READY_AMI,
        "ultracluster image sample --write",
        IMAGE,
    ),
    fault(
        "label of a parameter under data",
        P4D,
        "nodes.image",
        "/team/nodes:tested",
        "this environment keeps data",
        "/team/nodes:7",
    ),
    fault(
        "image that moves under reserved capacity",
        changed(RESERVED, {"storage": SCRATCH.storage}),
        "nodes.image",
        DEEP_LEARNING_AMI,
        "this environment reserves capacity",
        IMAGE,
    ),
    fault(
        "login image that moves under data",
        SLURM,
        "slurm.login_image",
        PCS_READY_AMI,
        "ultracluster image sample --login --write",
        None,
    ),
    Fault(
        "pipeline for nodes without Slurm",
        P4D,
        {"node_image": NodeImageSpec()},
        "node_image",
        "a pipeline without slurm",
        "write slurm=SlurmSpec(...)",
        {"node_image": None},
    ),
    fault(
        "component of a version that floats",
        changed(SLURM, {"node_image": NodeImageSpec(components=(COMPONENT,))}),
        "node_image.components[0]",
        COMPONENT.replace("1.2.3", "x.x.x"),
        "write the ARN of one version",
        COMPONENT,
    ),
    fault(
        "interfaces without an address under Slurm",
        SLURM,
        "nodes.interface_layout",
        "one-address",
        'write interface_layout="address-per-card"',
        "address-per-card",
    ),
    fault(
        "image without Slurm",
        UNPINNED,
        "nodes.image",
        DEEP_LEARNING_AMI,
        "PCS_READY_AMI",
        PCS_READY_AMI,
    ),
    fault(
        "root device of another distribution",
        UNPINNED,
        "nodes.root_device_name",
        "/dev/xvda",
        "/dev/sda1",
        "/dev/sda1",
    ),
    Fault(
        "Slurm in a Region without PCS",
        SLURM,
        {
            "region": "us-west-1",
            "availability_zone_id": "usw1-az1",
            "nodes.instance_type": "p5.48xlarge",
            **ROOM,
        },
        "slurm",
        "us-west-1",
        "write slurm=None, or use us-east-1",
        {"slurm": None},
    ),
    fault(
        "closed network without the endpoint of PCS",
        CLOSED,
        "network.interface_endpoints",
        INTERFACE_ENDPOINTS,
        'add "pcs"',
        (*INTERFACE_ENDPOINTS, "pcs"),
    ),
    fault("a size where Slurm belongs", SLURM, "slurm", "SMALL", "SlurmSpec", SlurmSpec()),
]
