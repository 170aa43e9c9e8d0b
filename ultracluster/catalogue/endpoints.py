"""AWS services that training reaches inside a VPC."""

from typing import Final

INTERFACE_ENDPOINTS: Final = (
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "kms",
    "logs",
    "monitoring",
    "sagemaker.api",
    "ssm",
    "ssmmessages",
    "sts",
)
"""What SageMaker training (SageMaker Developer Guide, train-vpc, 2023) and nodes managed by
Systems Manager reach; S3 has a gateway endpoint in every environment."""
