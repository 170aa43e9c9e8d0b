"""The fabric rules: pure functions over a picture of templates, knowing neither CDK nor boto3."""
