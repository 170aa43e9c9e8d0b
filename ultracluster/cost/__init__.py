"""What an environment costs: quantities, prices and their sum; pure, without AWS and CDK."""
