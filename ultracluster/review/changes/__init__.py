"""What an update of stacks will do, and how dangerous each part of it is.

Pure over templates: no CDK, no AWS, no files but the registry's schemas.
"""
