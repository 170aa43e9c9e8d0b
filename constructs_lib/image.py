"""Machine images, by id or by the SSM parameter that holds one."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct


def image_id(scope: Construct, image: str) -> str:
    """Return what a launch template's `ImageId` takes for an image.

    Args:
        scope: a construct of the stack that holds the template.
        image: AMI id, or the name of an SSM parameter, also with a version or label.
    """
    if image.startswith("ami-"):
        return image
    if ":" in image:
        # A version or label. CloudFormation's parameters take neither, and the library would
        # drop it in silence; EC2 resolves it at every launch, to the image that it names.
        return f"resolve:ssm:{image}"
    # Resolved when the stack is deployed, so that all nodes of a version boot one image;
    # `resolve:ssm:` in the template would resolve at every launch.
    return ec2.MachineImage.from_ssm_parameter(image).get_image(scope).image_id
