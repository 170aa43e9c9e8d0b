"""Everything between a scheduler and the ranks: start-up check, binding, SageMaker's entry point.

Standard library only, so that a job that cannot work is refused in seconds, before PyTorch loads.
"""
