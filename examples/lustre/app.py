"""A file system on a bucket, and who may use them: `cdk synth --app 'python3 app.py'`."""

import aws_cdk as cdk

from stacks import ReaderStack, StorageStack

app = cdk.App()
env = cdk.Environment(region="us-east-1")
storage = StorageStack(app, "Storage", env=env)
ReaderStack(app, "Reader", storage=storage, env=env)
app.synth()
