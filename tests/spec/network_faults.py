"""Single faults of blocks, subnets, endpoints and of room for addresses."""

from tests.spec.faults import Fault, fault
from tests.spec.samples import CLOSED, EXISTING, FAST, P4D, SUBNET, changed

SUBNETS = "network.training_subnet_cidrs"
FIRST = f"{SUBNETS}[0]"
PUBLIC = "network.public_subnet_cidr"
ENDPOINTS = "network.interface_endpoints"
EXISTING_FIRST = "network.training_subnets[0]"
ALL = CLOSED.network.interface_endpoints

BLOCKS = [
    fault("no block", P4D, "network.cidr", "ten", "such as 10.0.0.0/16", "10.0.0.0/16"),
    fault("IPv6 block", P4D, "network.cidr", "fd00::/48", "an IPv4 block", "10.0.0.0/16"),
    fault("VPC with host bits", P4D, "network.cidr", "10.0.0.1/16", "10.0.0.0/16", "10.0.0.0/16"),
    fault("VPC too large", P4D, "network.cidr", "10.0.0.0/8", "write 10.0.0.0/16", "10.0.0.0/16"),
    fault(
        "VPC too large, with host bits",
        P4D,
        "network.cidr",
        "10.0.3.4/8",
        "write 10.0.0.0/16",
        "10.0.0.0/16",
    ),
    fault(
        "block with a netmask",
        P4D,
        "network.cidr",
        "10.0.0.0/255.255.0.0",
        "write 10.0.0.0/16",
        "10.0.0.0/16",
    ),
    Fault(
        "block of Docker",
        P4D,
        {"network.cidr": "172.17.0.0/16", FIRST: "172.17.0.0/24", PUBLIC: None, ENDPOINTS: ALL},
        "network.cidr",
        "172.17.0.0/16",
        "SageMaker's containers use 172.17.0.0/16",
        {"network.cidr": "172.18.0.0/16", FIRST: "172.18.0.0/24"},
    ),
    *(
        Fault(
            f"block of {name}",
            P4D,
            {"network.cidr": block, FIRST: block, PUBLIC: None, ENDPOINTS: ALL},
            "network.cidr",
            block,
            "write 10.0.0.0/16",
            {"network.cidr": "10.0.0.0/16", FIRST: "10.0.0.0/24"},
        )
        for name, block in (
            ("loopback", "127.0.0.0/20"),
            ("links", "169.254.0.0/20"),
            ("multicast", "224.0.0.0/20"),
            ("nothing", "0.0.0.0/20"),
        )
    ),
    fault("block as a number", P4D, "network.cidr", 10, "write a text", "10.0.0.0/16"),
    fault("subnet with host bits", P4D, FIRST, "10.0.0.9/24", "10.0.0.0/24", "10.0.0.0/24"),
    fault("subnet that is a number", P4D, FIRST, 24, "write a text", "10.0.0.0/24"),
    fault("subnet of /15", P4D, FIRST, "10.0.0.0/15", "/16 to /28", "10.0.0.0/20"),
    fault("subnet of /29", P4D, PUBLIC, "10.0.240.0/29", "10.0.240.0/28", "10.0.240.0/28"),
    fault("subnet outside the VPC", P4D, FIRST, "10.9.0.0/24", "inside 10.0.0.0/16", "10.0.0.0/24"),
    fault(
        "public subnet outside", P4D, PUBLIC, "10.1.0.0/28", "inside 10.0.0.0/16", "10.0.240.0/28"
    ),
    fault(
        "public subnet inside a training subnet",
        P4D,
        PUBLIC,
        "10.0.0.16/28",
        "overlaps 10.0.0.0/24 of training_subnet_cidrs[0]",
        "10.0.240.0/28",
    ),
    fault(
        "public subnet over two training subnets",
        changed(P4D, {SUBNETS: ("10.0.0.0/24", "10.0.1.0/24")}),
        PUBLIC,
        "10.0.0.0/20",
        "overlaps 10.0.0.0/24 of training_subnet_cidrs[0]",
        "10.0.240.0/28",
    ),
    Fault(
        "the same training subnet twice",
        P4D,
        {SUBNETS: ("10.0.0.0/24", "10.0.0.0/24")},
        f"{SUBNETS}[1]",
        "10.0.0.0/24",
        "write a block of its own",
        {SUBNETS: ("10.0.0.0/24", "10.0.1.0/24")},
    ),
    fault("no training subnet", P4D, SUBNETS, (), "at least 1", ("10.0.0.0/24",)),
    fault("one text for several", P4D, SUBNETS, "10.0.0.0/24", "a tuple", ("10.0.0.0/24",)),
    fault("no network", P4D, "network", None, "a NetworkSpec or an Existing", P4D.network),
    fault("unheard-of retention", P4D, "network.flow_log_retention_days", 8, "1, 3, 5, 7", 7),
]

SERVICES = [
    Fault(
        "endpoint for S3",
        P4D,
        {ENDPOINTS: ("s3", "sts")},
        f"{ENDPOINTS}[0]",
        "s3",
        "remove it",
        {ENDPOINTS: ("sts",)},
    ),
    Fault(
        "endpoint by its full name",
        P4D,
        {ENDPOINTS: ("com.amazonaws.us-east-1/sts",)},
        f"{ENDPOINTS}[0]",
        "com.amazonaws.us-east-1/sts",
        "short name",
        {ENDPOINTS: ("sts",)},
    ),
    Fault(
        "endpoint by its full name, as the console shows it",
        P4D,
        {ENDPOINTS: ("com.amazonaws.us-east-1.ecr.api",)},
        f"{ENDPOINTS}[0]",
        "com.amazonaws.us-east-1.ecr.api",
        'write the short name, without the Region: "ecr.api"',
        {ENDPOINTS: ("ecr.api",)},
    ),
    Fault(
        "endpoint listed twice",
        P4D,
        {ENDPOINTS: ("sts", "logs", "sts")},
        f"{ENDPOINTS}[2]",
        "sts",
        "remove one",
        {ENDPOINTS: ("sts", "logs")},
    ),
    fault(
        "closed network without an endpoint that nodes need",
        CLOSED,
        ENDPOINTS,
        tuple(name for name in CLOSED.network.interface_endpoints if name != "ecr.dkr"),
        "add ecr.dkr",
        CLOSED.network.interface_endpoints,
    ),
    Fault(
        "misspelt endpoint of a closed network",
        CLOSED,
        {f"{ENDPOINTS}[0]": "EC2"},
        f"{ENDPOINTS}[0]",
        "EC2",
        "short name",
        {f"{ENDPOINTS}[0]": "ec2"},
    ),
]

THERE_ALREADY = [
    fault(
        "VPC by its name",
        EXISTING,
        "network.vpc_id",
        "my-vpc",
        "vpc-0123456789abcdef0",
        "vpc-0123456789abcdef0",
    ),
    fault(
        "VPC block with host bits",
        EXISTING,
        "network.cidr",
        "10.0.0.1/16",
        "10.0.0.0/16",
        "10.0.0.0/16",
    ),
    fault(
        "subnet by its name",
        EXISTING,
        f"{EXISTING_FIRST}.subnet_id",
        "training",
        "subnet-0123456789abcdef0",
        SUBNET.format(0),
    ),
    fault(
        "existing subnet with host bits",
        EXISTING,
        f"{EXISTING_FIRST}.cidr",
        "10.0.0.7/24",
        "write 10.0.0.0/24",
        "10.0.0.0/24",
    ),
    Fault(
        "existing subnet outside the VPC",
        EXISTING,
        {"network.training_subnets[1].cidr": "192.168.0.0/24"},
        "network.training_subnets[1].cidr",
        "192.168.0.0/24",
        "it is outside of 10.0.0.0/16; write the subnet's block, or add the VPC's block",
        {"network.secondary_cidrs": ("192.168.0.0/20",)},
    ),
    Fault(
        "second VPC block with host bits",
        EXISTING,
        {"network.secondary_cidrs": ("100.64.0.1/16",)},
        "network.secondary_cidrs[0]",
        "100.64.0.1/16",
        "write 100.64.0.0/16",
        {"network.secondary_cidrs": ("100.64.0.0/16",)},
    ),
    Fault(
        "existing subnets that overlap",
        EXISTING,
        {"network.training_subnets[1].cidr": "10.0.0.128/25"},
        "network.training_subnets[1].cidr",
        "10.0.0.128/25",
        "overlaps 10.0.0.0/24",
        {"network.training_subnets[1].cidr": "10.0.1.0/24"},
    ),
    fault(
        "subnet of another zone",
        EXISTING,
        f"{EXISTING_FIRST}.availability_zone_id",
        "use1-az4",
        "use a subnet of that zone",
        "use1-az6",
    ),
    Fault(
        "subnets of two blocks, and a file system over EFA",
        changed(
            EXISTING,
            {
                "nodes.instance_type": "p5.48xlarge",
                "storage": FAST.storage,
                "budget": FAST.budget,
            },
        ),
        {
            "network.training_subnets[1].cidr": "100.64.0.0/24",
            "network.secondary_cidrs": ("100.64.0.0/16",),
        },
        "network.training_subnets[1].cidr",
        "100.64.0.0/24",
        "use a subnet of 10.0.0.0/16",
        {"network.training_subnets[1].cidr": "10.0.1.0/24"},
    ),
    Fault(
        "endpoint for S3 in an existing VPC",
        EXISTING,
        {ENDPOINTS: ("s3",)},
        f"{ENDPOINTS}[0]",
        "s3",
        "remove it",
        {ENDPOINTS: ()},
    ),
]

ROOM = [
    # 4 nodes + 20 for SageMaker + 4 of the file system + 11 endpoints = 39.
    Fault(
        "subnet too small at one address a node",
        P4D,
        {FIRST: "10.0.0.0/27"},
        SUBNETS,
        "27 addresses",
        "4 nodes + 20 SageMaker + 4 file system + 11 endpoints need 39; write one /26",
        {FIRST: "10.0.0.0/26"},
    ),
    # 45 nodes x 4 cards + 20 + 4 + 11 = 215; one address a node would need 80.
    Fault(
        "subnet too small at one address a card",
        P4D,
        {
            FIRST: "10.0.0.0/25",
            "nodes.count": 45,
            "nodes.interface_layout": "address-per-card",
        },
        SUBNETS,
        "123 addresses",
        "180 nodes + 20 SageMaker + 4 file system + 11 endpoints need 215; write one /24",
        {FIRST: "10.0.0.0/24"},
    ),
    Fault(
        "subnet too small for SageMaker's five addresses an instance",
        P4D,
        {"sagemaker.instances": 50},
        SUBNETS,
        "251 addresses",
        "4 nodes + 250 SageMaker + 4 file system + 11 endpoints need 269; write one /23",
        {FIRST: "10.0.0.0/23"},
    ),
    Fault(
        "first subnet too small for file system and endpoints",
        P4D,
        {SUBNETS: ("10.0.0.0/28", "10.0.1.0/24")},
        f"{SUBNETS}[0]",
        "11 addresses",
        "need 15; put a /27 or larger first",
        {SUBNETS: ("10.0.1.0/24", "10.0.0.0/28")},
    ),
    Fault(
        "existing subnets too small",
        EXISTING,
        {"nodes.count": 500},
        "network.training_subnets",
        "502 addresses",
        "500 nodes + 20 SageMaker + 4 file system + 1 endpoints need 525; write one /22",
        {f"{EXISTING_FIRST}.cidr": "10.0.4.0/22"},
    ),
    Fault(
        "first existing subnet too small for the file system",
        EXISTING,
        {"storage.capacity_gib": 24000, f"{EXISTING_FIRST}.cidr": "10.0.0.0/28"},
        f"{EXISTING_FIRST}",
        "11 addresses",
        "need 23; put a /27 or larger first",
        {f"{EXISTING_FIRST}.cidr": "10.0.0.0/27"},
    ),
    Fault(
        "more than a VPC's largest subnet",
        changed(P4D, {FIRST: "10.0.0.0/17"}),
        {"sagemaker.instances": 20_000},
        SUBNETS,
        "32,763 addresses",
        "use several subnets",
        {"sagemaker.instances": 4_000},
    ),
]

FAULTS = [*BLOCKS, *SERVICES, *THERE_ALREADY, *ROOM]
