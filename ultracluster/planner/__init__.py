"""What a model takes to train: memory, time, storage, money. Pure functions over frozen values."""
