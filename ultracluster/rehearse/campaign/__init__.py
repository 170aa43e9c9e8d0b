"""A fault at every resource of an environment, and between calls: `rehearse --campaign`."""
