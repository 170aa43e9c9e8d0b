"""A Slurm cluster of AWS PCS in one's own VPC: `cdk synth --app 'python3 app.py'`."""

import aws_cdk as cdk

from stacks import SlurmStack

app = cdk.App()
SlurmStack(app, "Slurm", env=cdk.Environment(region="us-east-1"))
app.synth()
