"""Changes between two sets of templates, and how dangerous each is.

Pure over templates: no CDK, no AWS, no files but the registry's schemas.
"""
