"""From a model to an environment, its price and its time: the command `ultracluster plan`."""
