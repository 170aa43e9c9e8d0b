"""Two environments in accounts of their own, deployed by a pipeline in a third: `cdk synth`."""

import aws_cdk as cdk

from stacks import PipelineStack

app = cdk.App()
PipelineStack(app, "Pipeline", env=cdk.Environment(account="111122223333", region="us-east-1"))
app.synth()
