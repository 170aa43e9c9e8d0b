"""The CDK stacks of an environment, and the stage that contains them."""
