"""IAM permissions in templates: who may do what.

Pure over templates: no CDK, no AWS, no files but the names of IAM's actions.
"""
