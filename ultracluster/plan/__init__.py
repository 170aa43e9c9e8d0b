"""The command `ultracluster plan`: from a model to nodes, layout, time and cost."""
