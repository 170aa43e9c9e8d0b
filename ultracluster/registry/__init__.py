"""What AWS's CloudFormation registry says about resource types."""
