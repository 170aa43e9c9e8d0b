"""What others name of the rules over training requests, without loading all of those."""

from typing import Final

TOO_MANY_IN_VPC: Final = "training-vpc-size"
"""Code: more subnets or security groups than a job takes."""
OUT_OF_RANGE: Final = "training-range"
"""Code: a time or a number of attempts that SageMaker does not take."""
WAIT_BELOW_RUN: Final = "training-wait"
"""Code: MaxWaitTimeInSeconds, which holds the run as well, is below MaxRuntimeInSeconds."""
NO_VPC: Final = "training-no-vpc"
"""Code: a file system as input of a job that is in no VPC."""
VARIABLE: Final = "training-variable"
"""Code: a variable of NCCL, libfabric or the plugin, which rules over environments judge too."""
VOLUME_KEY: Final = "training-volume-key"
"""Code: a key for volumes that are local disks, which the hardware encrypts."""
ENCRYPTED: Final = "training-encrypted"
"""Code: traffic between containers is encrypted, on instances with several EFA cards."""
NO_CHECKPOINTS: Final = "training-spot-checkpoints"
"""Code: spot capacity without checkpoints."""
ADDRESSES_WITH_EFA: Final = 5
"""Addresses that SageMaker takes for each instance with EFA (Developer Guide, train-vpc, 2023)."""
