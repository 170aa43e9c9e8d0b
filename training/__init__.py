"""The training program: MiCS on PyTorch's FSDP2. Start at `training.train`."""

import os

# Read when PyTorch is loaded. When a rank is gone, each of the others would write 25 lines of C++
# frames for every question to a store that no longer answers; errors are still written.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
