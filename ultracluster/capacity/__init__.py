"""What can be bought ahead: Capacity Blocks and training plans, held against a planned run."""
