"""What resolved templates define: nodes, networks, security groups, policies, storage and jobs."""
