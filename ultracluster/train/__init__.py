"""SageMaker training jobs: a recipe submitted to an environment, and the job followed."""
