"""A whole environment, deployed by a pipeline: `cdk synth --app 'python3 app.py'`."""

import aws_cdk as cdk

from stacks import PipelineStack

app = cdk.App()
PipelineStack(app, "Pipeline", env=cdk.Environment(account="111122223333", region="us-east-1"))
app.synth()
