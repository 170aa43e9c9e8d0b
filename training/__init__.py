"""The training program: MiCS on PyTorch's FSDP2. Start at `training.train`."""
