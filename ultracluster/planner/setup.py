"""What is trained, and on what: the model, the GPU, the links and the software."""

from dataclasses import dataclass

from ultracluster.planner.devices import Gpu, Network
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import Stack


@dataclass(frozen=True, slots=True)
class Setup:
    """What a plan takes for given; what is in doubt of it is another setup."""

    shape: ModelShape
    gpu: Gpu
    network: Network
    stack: Stack
