"""What templates place where: resolved resources read as Region, VPC, subnets and nodes."""
