"""The SageMaker road: a recipe submitted to an environment, and the job followed."""
