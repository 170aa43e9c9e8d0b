"""Who may do what in given templates.

Pure over templates: no CDK, no AWS, no files but the names of IAM's actions.
"""
