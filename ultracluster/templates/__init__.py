"""Reading any CloudFormation, and resolving it as far as the templates themselves allow."""
