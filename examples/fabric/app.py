"""EFA nodes in an Auto Scaling group of one's own: `cdk synth --app 'python3 app.py'`."""

import aws_cdk as cdk

from stacks import NodesStack

app = cdk.App()
NodesStack(app, "Nodes", env=cdk.Environment(region="us-east-1"))
app.synth()
