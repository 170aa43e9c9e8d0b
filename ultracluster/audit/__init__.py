"""The command `ultracluster audit`: the fabric rules over any CloudFormation templates."""
