"""What templates place where: a world of resolved resources, read as Region, VPC, subnets, nodes."""
