"""Single faults of place, type, number and capacity of the nodes, and of names."""

from tests.spec.faults import Fault, fault
from tests.spec.samples import (
    BLOCK,
    EXISTING,
    FAST,
    FOUND,
    LEFT_OUT,
    P4D,
    RESERVATION,
    RESERVED,
    SCRATCH,
)
from ultracluster.problem import MISSING
from ultracluster.spec.nodes import (
    DEEP_LEARNING_AMI,
    CapacityBlockSpec,
    CapacityReservationSpec,
)

AMI = "ami-0123456789abcdef0"
ARM_IMAGE = DEEP_LEARNING_AMI.replace("x86_64", "arm64")
TYPE = "nodes.instance_type"
ZONE = "availability_zone_id"
ITSELF = "write the value itself"
ROOM = {"network.training_subnet_cidrs": ("10.0.0.0/18",)}

NAMES = [
    fault("name in capitals", P4D, "name", "Dev", 'write "dev"', "dev"),
    fault("name with an underscore", P4D, "name", "my_dev", 'write "my-dev"', "my-dev"),
    fault("name that begins with a digit", P4D, "name", "9dev", 'write "dev"', "dev"),
    fault("name with two hyphens", P4D, "name", "a--b", 'write "a-b"', "a-b"),
    fault("name that ends in a hyphen", P4D, "name", "dev-", 'write "dev"', "dev"),
    fault("name without a usable letter", P4D, "name", "ÄÖ", 'write "dev"', "dev"),
    fault("empty name", P4D, "name", "", 'write "dev"', "dev"),
    fault("name too long", P4D, "name", "a" * 25, f'write "{"a" * 24}"', "a" * 24),
    fault("name that is cut at a hyphen", P4D, "name", f"{'a' * 23}-b", "aaa", "a" * 23),
    fault("name that is a number", P4D, "name", 5, "write a text", "dev"),
    # What `CfnParameter.value_as_string` and its like return.
    fault("name as a token", P4D, "name", "${Token[TOKEN.16]}", ITSELF, "dev"),
    fault("Region as a token", P4D, "region", "${Token[AWS.Region.4]}", ITSELF, "us-east-1"),
    fault("image as a token", P4D, "nodes.image", "a${Token[TOKEN.16]}", ITSELF, AMI),
    fault("count as a token", P4D, "nodes.count", -1.8881545897087048e289, ITSELF, 2),
    fault(
        "blocks as a token",
        P4D,
        "network.training_subnet_cidrs",
        ["#{Token[TOKEN.16]}"],
        ITSELF,
        ("10.0.0.0/18",),
    ),
    fault("account with hyphens", P4D, "account", "1111-2222-3333", "write 12 digits", "1" * 12),
    fault("account of eleven digits", P4D, "account", "1" * 11, "write 12 digits", "1" * 12),
    fault("account as a number", P4D, "account", 111122223333, "write a text", "1" * 12),
]

PLACES = [
    fault("unknown Region", P4D, "region", "us-east-9", "us-east-1", "us-east-1"),
    fault("Region of another continent", P4D, "region", "mars", "no such Region", "us-east-1"),
    fault("type not sold in the Region", P4D, "region", "eu-west-3", "write ", "us-east-1"),
    fault("zone of another Region", P4D, ZONE, "usw2-az1", "use1-az6", "use1-az6"),
    fault("zone name", P4D, ZONE, "us-east-1a", "means another zone in each account", "use1-az6"),
    fault(
        "zone name, in a Region with zones that do not sell",
        P4D,
        ZONE,
        "us-east-1b",
        "write use1-az1, use1-az2, use1-az4 or use1-az6",
        "use1-az4",
    ),
    fault("Region in capitals", P4D, "region", "US-EAST-1", "write us-east-1", "us-east-1"),
    fault("type not sold in the zone", P4D, ZONE, "use1-az3", "write use1-az1,", "use1-az1"),
    fault(
        "zone not sold, with subnets of the right one", EXISTING, ZONE, "use1-az3", "", "use1-az6"
    ),
    fault(
        "zone name, with subnets of the right zone", EXISTING, ZONE, "us-east-1d", "", "use1-az6"
    ),
    Fault(
        "zone name where zones are not known",
        P4D,
        {"region": "us-gov-west-1", ZONE: "us-gov-west-1a"},
        ZONE,
        "us-gov-west-1a",
        "such as usgw1-az1",
        {ZONE: "usgw1-az1"},
    ),
    *(
        Fault(
            f"zone {zone} in {region}",
            P4D,
            {"region": region, ZONE: zone, "nodes.instance_type": "g4dn.12xlarge"},
            ZONE,
            zone,
            f"zone ids of {region} begin with {prefix} ",
            {ZONE: f"{prefix}-az1"},
        )
        for region, zone, prefix in (
            ("us-gov-east-1", "usgw1-az1", "usge1"),
            ("us-gov-west-1", "usge1-az3", "usgw1"),
            ("cn-north-1", "cnnw1-az1", "cnn1"),
            ("cn-northwest-1", "cnn1-az2", "cnnw1"),
            ("cn-north-1", "use1-az6", "cnn1"),
        )
    ),
]

TYPES = [
    fault("unknown type", P4D, TYPE, "banana", "write one of", "p4d.24xlarge"),
    fault("type without its size", P4D, TYPE, "p4d", "write p4d.24xlarge", "p4d.24xlarge"),
    fault("type in capitals", P4D, TYPE, "P4D.24XLARGE", "write p4d.24xlarge", "p4d.24xlarge"),
    fault("misspelt type", P4D, TYPE, "p4d.24xlage", "write p4d.24xlarge", "p4d.24xlarge"),
    fault("SageMaker's name", P4D, TYPE, "ml.p4d.24xlarge", "write p4d.24xlarge", "p4d.24xlarge"),
    fault("type without EFA", P4D, TYPE, "g5.2xlarge", "no Elastic Fabric Adapter", "g5.12xlarge"),
    fault("EFA without accelerator", P4D, TYPE, "c5n.18xlarge", "no accelerator", "p4d.24xlarge"),
    Fault(
        "type that SageMaker does not train on",
        P4D,
        {TYPE: "g4dn.metal"},
        "sagemaker.instances",
        4,
        "write 0",
        {"sagemaker.instances": 0},
    ),
    Fault(
        "type of other clients than EFA-enabled Lustre takes: P4d",
        FAST,
        {TYPE: "p4d.24xlarge"},
        "storage.efa_enabled",
        True,
        "write efa_enabled=False",
        {"storage.efa_enabled": False},
    ),
    Fault(
        "type of other clients than EFA-enabled Lustre takes: P4de",
        FAST,
        {TYPE: "p4de.24xlarge"},
        "storage.efa_enabled",
        True,
        "write efa_enabled=False",
        {"storage.efa_enabled": False},
    ),
    Fault(
        "type that is not sold by Capacity Block",
        BLOCK,
        {TYPE: "p3dn.24xlarge"},
        "nodes.capacity_block",
        "p3dn.24xlarge",
        "remove it",
        {"nodes.capacity_block": None},
    ),
]

NODES = [
    fault("no nodes", P4D, "nodes.count", 0, "write at least 1", 1),
    fault("half a node", P4D, "nodes.count", 1.5, "write a whole number", 2),
    fault("count as text", P4D, "nodes.count", "4", "write a whole number", 4),
    Fault(
        "count left out",
        P4D,
        {"nodes.count": LEFT_OUT},
        "nodes.count",
        MISSING,
        "write count=",
        {"nodes.count": 4},
    ),
    fault("field that is none", P4D, "nodes.amount", 4, "write count", LEFT_OUT),
    fault(
        "unknown layout",
        P4D,
        "nodes.interface_layout",
        "one-adress",
        "choose 'one-address'",
        "one-address",
    ),
    fault("root volume too small", P4D, "nodes.root_volume_gib", 8, "write at least 50", 50),
    fault("three threads", P4D, "nodes.threads_per_core", 3, "choose 1 or 2", 2),
    fault("true threads", P4D, "nodes.threads_per_core", True, "write a whole number", 1),
    fault("two and no half", P4D, "nodes.threads_per_core", 2.0, "write a whole number", 2),
    Fault(
        "threads that the type does not offer",
        P4D,
        {TYPE: "g5.48xlarge", "nodes.threads_per_core": 2},
        "nodes.threads_per_core",
        2,
        "write None",
        {"nodes.threads_per_core": None},
    ),
    fault("image by its name", P4D, "nodes.image", "my-image", "write an AMI id", AMI),
    fault("image parameter without slash", P4D, "nodes.image", "my/image", "with a slash", AMI),
    fault(
        "image of arm64", SCRATCH, "nodes.image", ARM_IMAGE, DEEP_LEARNING_AMI, DEEP_LEARNING_AMI
    ),
]

CAPACITY = [
    fault(
        "Capacity Block with a placement group",
        BLOCK,
        "nodes.placement_group",
        True,
        "write placement_group=False",
        False,
    ),
    Fault(
        "Capacity Block together with a reservation",
        BLOCK,
        {"nodes.capacity_reservation": CapacityReservationSpec()},
        "nodes.capacity_block",
        "a Capacity Block together with a capacity reservation",
        "remove capacity_block or capacity_reservation",
        {"nodes.capacity_reservation": None},
    ),
    Fault(
        "Capacity Block together with an existing reservation",
        FOUND,
        {"nodes.capacity_block": CapacityBlockSpec(capacity_reservation_id=RESERVATION)},
        "nodes.capacity_block",
        "a Capacity Block together with a capacity reservation",
        "remove capacity_block or capacity_reservation",
        {"nodes.capacity_block": None},
    ),
    fault("Capacity Block of 65", BLOCK, "nodes.count", 65, "write 64", 64),
    fault(
        "reservation of 1,000 and spare nodes",
        RESERVED,
        "nodes.count",
        1000,
        "write 996",
        996,
        also={**ROOM, "nodes.spare_nodes": 4},
    ),
    fault(
        "reservation of which nobody is told",
        RESERVED,
        "budget.notify",
        (),
        "nobody is notified; write notify=",
        ("team@example.com",),
    ),
    fault("reservation of 1,001", RESERVED, "nodes.count", 1001, "write 1000", 1000, also=ROOM),
    fault(
        "existing reservation with a placement group",
        FOUND,
        "nodes.placement_group",
        True,
        "write placement_group=False",
        False,
    ),
    fault(
        "id of something else as a reservation",
        FOUND,
        "nodes.capacity_reservation.capacity_reservation_id",
        "i-0123456789abcdef0",
        'for example "cr-',
        RESERVATION,
    ),
    fault(
        "id of something else as a Capacity Block",
        BLOCK,
        "nodes.capacity_block.capacity_reservation_id",
        "cb-0123456789abcdef0",
        'for example "cr-',
        RESERVATION,
    ),
    fault("a negative number of jobs", P4D, "sagemaker.instances", -1, "write at least 0", 0),
    fault(
        "protection of what is not kept",
        SCRATCH,
        "termination_protection",
        True,
        "termination_protection=False",
        False,
    ),
]

FAULTS = [*NAMES, *PLACES, *TYPES, *NODES, *CAPACITY]
