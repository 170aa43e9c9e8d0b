"""Fixtures of the FABRIC rules about variables: by value, and by the plugin's version."""

from typing import Final

from tests.rules.rule_cases import Case

VARIABLES: Final = (
    Case(
        "FABRIC-22",
        "job",
        {"Job.Environment": {"NCCL_NET": "IB"}},
        {"Job.Environment": {"NCCL_NET": "AWS Libfabric"}},
        words="NCCL_NET=IB",
    ),
    Case(
        "FABRIC-22",
        "job",
        {"Job.Environment": {"NCCL_NET_PLUGIN": "none"}},
        {
            "Job.Environment": {"NCCL_NET_PLUGIN": "none"},
            "Job.ResourceConfig.InstanceType": "ml.m5.large",
        },
    ),
    Case(
        "FABRIC-27",
        "job",
        {"Job.Environment": {"RDMAV_HUGEPAGES_SAFE": "1"}},
        {"Job.Environment": {"FI_EFA_USE_HUGE_PAGE": "0"}},
    ),
    Case(
        "FABRIC-24",
        "job",
        {"Job.Environment": {"FI_PROVIDER": "efa", "AWS_OFI_NCCL_VERSION": "v1.7.4-aws"}},
        {
            "Job.Environment": {
                "FI_PROVIDER": "efa",
                "NCCL_PROTO": "simple",
                "FI_EFA_USE_DEVICE_RDMA": "1",
                "AWS_OFI_NCCL_VERSION": "v1.5.0-aws",
            }
        },
        words="since 1.6.0",
    ),
    Case(
        "FABRIC-26",
        "job",
        {"Job.Environment": {"NCCL_PROTO": "LL128,Simple"}},
        {"Job.Environment": {"NCCL_PROTO": "^LL,LL128"}},
        words="NCCL_PROTO=LL128,Simple",
    ),
    Case(
        "FABRIC-27",
        "job",
        {"Job.Environment": {"NCCL_PROTO": "simple"}},
        {
            "Job.Environment": {
                "NCCL_PROTO": "simple",
                "FI_PROVIDER": "efa",
                "AWS_OFI_NCCL_VERSION": "1.5.0",
            }
        },
        words="NCCL_PROTO=simple",
    ),
    Case(
        "FABRIC-27",
        "job",
        {"Job.Environment": {"NCCL_BUFFSIZE": "4194304"}},
        {"Job.Environment": {"NCCL_BUFFSIZE": "8388608"}},
        words="4194304",
    ),
    Case(
        "FABRIC-22",
        "job",
        {"Job.Environment": {"FI_EFA_USE_DEVICE_RDMA": "0"}},
        {"Job.Environment": {"FI_EFA_USE_DEVICE_RDMA": "1"}},
        words="FI_EFA_USE_DEVICE_RDMA=0",
    ),
    Case(
        "FABRIC-27",
        "job",
        {"Job.Environment": {"NCCL_NET_GDR_READ": "0"}},
        {"Job.Environment": {"NCCL_NET_GDR_READ": "1"}},
        words="NCCL_NET_GDR_READ=0",
    ),
    Case(
        "FABRIC-22",
        "job",
        {"Job.Environment": {"NCCL_NET_PLUGIN": "ofi", "EFA_INSTALLER_VERSION": "1.40.0"}},
        {"Job.Environment": {"NCCL_NET_PLUGIN": "ofi", "EFA_INSTALLER_VERSION": "1.42.0"}},
        words="NCCL_NET_PLUGIN=ofi",
    ),
    Case(
        "FABRIC-31",
        "job",
        {"Job.Environment": {"FI_PROVIDER": "efa", "AWS_OFI_NCCL_VERSION": "1.6.0"}},
        {"Job.Environment": {"FI_PROVIDER": "efa", "AWS_OFI_NCCL_VERSION": "1.7.0"}},
        words="FI_EFA_USE_DEVICE_RDMA is not set and the plugin is 1.6.0",
    ),
    Case(
        "FABRIC-24",
        "job",
        {"Job.Environment": {"NCCL_MIN_CHANNELS": "16"}},
        {"Job.Environment": {"NCCL_DEBUG": "WARN"}},
        words="NCCL_MIN_NCHANNELS",
    ),
)
