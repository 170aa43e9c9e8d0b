"""What is asked for, in AWS's words: frozen, validated values without a CDK type or a token."""
