"""Single faults of Slurm: its own values, and nodes, image, Region and network that do not fit."""

from tests.spec.budgets import AMPLE, TOLD
from tests.spec.faults import Fault, fault
from tests.spec.samples import IMAGE, P4D, QUEUES, RESERVATION, RESERVED, SCRATCH, SLURM, changed
from ultracluster.spec.network import INTERFACE_ENDPOINTS
from ultracluster.spec.node_image import NodeImageSpec
from ultracluster.spec.nodes import DEEP_LEARNING_AMI, CapacityBlockSpec, CapacityReservationSpec
from ultracluster.spec.slurm import (
    PCS_READY_AMI,
    PCS_READY_AMI_ARM64,
    CpuGroupSpec,
    HealthChecksSpec,
    QueueSpec,
    SlurmSpec,
)

COMPONENT = "arn:aws:imagebuilder:us-east-1:aws:component/pyxis/1.2.3"
QUEUE = "slurm.queues[0].name"
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
GROUP = "slurm.node_groups[1].name"
TYPE = "slurm.node_groups[1].instance_type"
KEPT = "slurm.node_groups[1].least_nodes"
TEN = tuple(CpuGroupSpec(name=f"cpu-{n}", instance_type="c7i.large", count=1) for n in range(10))
CHECKED = changed(
    SLURM,
    {
        "slurm.version": "26.05",
        "slurm.repairs": False,
        "slurm.health_checks": HealthChecksSpec(deep_profile="QUICK"),
    },
)
LOOKED_AT = changed(
    CHECKED,
    {"slurm.health_checks": HealthChecksSpec(monitoring_repair_action="NONE")},
)
CHECKS = "slurm.health_checks"
NAMES = tuple(group.name for group in TEN)
BLOCK = CapacityBlockSpec(capacity_reservation_id=RESERVATION)

FAULTS = [
    fault("queue with an underscore", SLURM, QUEUE, "my_queue", '"my-queue"', "my-queue"),
    fault("queue of two letters", SLURM, QUEUE, "qq", 'write "train"', "train"),
    fault("queue that begins as PCS ids do", SLURM, QUEUE, "pcs_1", '"pcs-1"', "pcs-1"),
    fault("queue too long", SLURM, QUEUE, "q" * 26, "q" * 25, "q" * 25),
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
    fault("no queue", SLURM, "slurm.queues", (), "at least 1", (QueueSpec(),)),
    fault(
        "queue of a group that is not there",
        QUEUES,
        "slurm.queues[2].node_groups[0]",
        "gpu",
        "write nodes, h100 or cpu",
        "cpu",
        also={"slurm.queues[0].node_groups": ("nodes", "cpu")},
    ),
    Fault(
        "queue that lists a group twice",
        QUEUES,
        {"slurm.queues[1].node_groups": ("nodes", "h100", "nodes")},
        "slurm.queues[1].node_groups[2]",
        "nodes",
        "remove one",
        {"slurm.queues[1].node_groups": ("nodes", "h100")},
    ),
    fault("two queues of a name", QUEUES, "slurm.queues[1].name", "train", "another", "debug"),
    fault("two groups of a name", QUEUES, "slurm.node_groups[1].name", "h100", "another", "cpu"),
    Fault(
        "group in no queue",
        QUEUES,
        {"slurm.queues[2].node_groups": ("nodes",)},
        "slurm.node_groups[1].name",
        "cpu",
        "no queue uses that group",
        {"slurm.queues[2].node_groups": ("nodes", "cpu")},
    ),
    Fault(
        "nodes in no queue",
        QUEUES,
        {"slurm.queues[0].node_groups": ("h100",), "slurm.queues[1].node_groups": ("h100",)},
        "slurm.queues",
        "nodes",
        "add 'nodes'",
        {"slurm.queues[0].node_groups": ("nodes",)},
    ),
    fault("group called nodes", QUEUES, GROUP, "nodes", 'write "cpu"', "cpu"),
    fault("group in capitals", QUEUES, GROUP, "My CPU", '"my-cpu"', "cpu"),
    fault("group of a long name", QUEUES, GROUP, "c" * 15, "at most 13", "cpu"),
    fault("limit that is no time", QUEUES, "slurm.queues[1].max_time", "2h", "2:00:00", "2:00:00"),
    fault(
        "default time beyond the limit",
        QUEUES,
        "slurm.queues[1].default_time",
        "1-0",
        "2:00:00",
        "30",
    ),
    fault(
        "tier beyond Slurm's", QUEUES, "slurm.queues[1].priority_tier", 70000, "at most 65533", 10
    ),
    Fault(
        "accounts without accounting",
        QUEUES,
        {"slurm.queues[1].allow_accounts": ("research",)},
        "slurm.queues[1]",
        "accounts of queue debug",
        "accounting_days=-1",
        {"slurm.accounting_days": -1},
    ),
    fault("more nodes kept than the group has", QUEUES, KEPT, 9, "at most 4", 4),
    fault("CPU type that is none", QUEUES, TYPE, "c7i.9xlarge", "write c7i.", "c7i.8xlarge"),
    fault(
        "accelerated type among CPU types",
        QUEUES,
        TYPE,
        "p5.48xlarge",
        "AcceleratedGroupSpec",
        "c7i.8xlarge",
    ),
    fault(
        "arm64 type with an x86 image",
        changed(QUEUES, {"storage": SCRATCH.storage, "nodes.image": PCS_READY_AMI}),
        TYPE,
        "m7g.xlarge",
        "m6i.xlarge",
        "m6i.xlarge",
    ),
    Fault(
        "reserved group that nobody is told of",
        QUEUES,
        {
            "slurm.node_groups[0].capacity_reservation": CapacityReservationSpec(),
            "budget": AMPLE,
        },
        "budget.notify",
        (),
        'notify=("team@your-company.com",)',
        {"budget": TOLD},
    ),
    fault(
        "group whose type the zone does not sell",
        QUEUES,
        "slurm.node_groups[0].instance_type",
        "p6-b200.48xlarge",
        "write another",
        "p5.48xlarge",
        also={"availability_zone_id": "use1-az1"},
    ),
    fault(
        "group without an address on every card",
        QUEUES,
        "slurm.node_groups[0].interface_layout",
        "one-address",
        'write interface_layout="address-per-card"',
        "address-per-card",
    ),
    Fault(
        "block of a group in a placement group",
        QUEUES,
        {
            "slurm.node_groups[0].capacity_block": CapacityBlockSpec(
                capacity_reservation_id=RESERVATION
            )
        },
        "slurm.node_groups[0].placement_group",
        True,
        "placement_group=False",
        {"slurm.node_groups[0].placement_group": False},
    ),
    Fault(
        "twelve groups",
        QUEUES,
        {"slurm.node_groups": TEN, "slurm.queues": (QueueSpec(node_groups=("nodes", *NAMES)),)},
        "slurm.node_groups",
        "10 groups",
        "at most 8",
        {
            "slurm.node_groups": TEN[:8],
            "slurm.queues": (QueueSpec(node_groups=("nodes", *NAMES[:8])),),
        },
    ),
    fault(
        "size too small by its groups",
        changed(QUEUES, {**ROOM, "slurm.node_groups[1].count": 40}),
        "slurm.size",
        "SMALL",
        "4 nodes + 2 of group h100 + 40 of group cpu + 1 login nodes are 47",
        None,
    ),
    fault("checks that this Slurm lacks", CHECKED, "slurm.version", "25.11", '"26.05"', "26.05"),
    fault("checks beside repairs", CHECKED, "slurm.repairs", True, "repairs=False", False),
    fault(
        "diagnostics beside repairs",
        LOOKED_AT,
        "slurm.repairs",
        True,
        "run diagnostics on GPUs",
        False,
        also={f"{CHECKS}.deep_profile": "QUICK", f"{CHECKS}.deep_repair_action": "NONE"},
    ),
    fault(
        "an action of monitoring that is off",
        CHECKED,
        f"{CHECKS}.monitoring_repair_action",
        "REPLACE",
        "write None",
        None,
        also={f"{CHECKS}.monitoring_mode": "NONE"},
    ),
    fault(
        "an action of diagnostics that are off",
        LOOKED_AT,
        f"{CHECKS}.deep_repair_action",
        "NONE",
        "write None",
        None,
    ),
    fault(
        "checks that check nothing",
        LOOKED_AT,
        f"{CHECKS}.monitoring_mode",
        "NONE",
        "STANDARD",
        "STANDARD",
        also={f"{CHECKS}.monitoring_repair_action": None},
    ),
    fault("a mode that PCS lacks", CHECKED, f"{CHECKS}.monitoring_mode", "ON", "STANDARD", "NONE"),
    fault("a profile by its level", CHECKED, f"{CHECKS}.deep_profile", "2", "MEDIUM", "MEDIUM"),
    fault("a size where Slurm belongs", SLURM, "slurm", "SMALL", "SlurmSpec", SlurmSpec()),
]
