"""The fabric rules over anybody's CloudFormation templates."""
