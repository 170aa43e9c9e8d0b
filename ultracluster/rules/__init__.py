"""The fabric rules: pure functions over a model of templates, knowing neither CDK nor boto3."""
