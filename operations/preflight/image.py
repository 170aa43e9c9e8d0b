"""The machine image of the nodes: there, and such that the instance type boots it."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from operations.preflight.finding import Check, Finding, Situation, failed, passed, skipped
from operations.preflight.inquiry import UnansweredError
from operations.preflight.question import Question, question

NO_PARAMETER: Final = ("ParameterNotFound", "ParameterVersionNotFound", "ParameterVersionLabel")
NO_IMAGE: Final = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidAMIID.Malformed")
PREFERRED: Final = "uefi-preferred"


class Image(NamedTuple):
    """An image as EC2 describes it, and how it was found."""

    image_id: str
    row: dict[str, Any] | None
    question: Question
    missing: str = ""


def image(situation: Situation) -> Image:
    """Return the image that the nodes are to boot; a row of None where there is none."""
    name = situation.spec.nodes.image
    image_id = name
    if not name.startswith("ami-"):
        parameter = question("ssm", "get_parameter", Name=name)
        try:
            image_id = situation.ask(parameter)["Parameter"]["Value"]
        except UnansweredError as error:
            if not error.code.startswith(NO_PARAMETER):
                raise
            return Image(name, None, parameter, "no such SSM parameter")
    asked = question("ec2", "describe_images", ImageIds=[image_id])
    try:
        rows = situation.ask(asked)["Images"]
    except UnansweredError as error:
        if error.code not in NO_IMAGE:
            raise
        rows = []
    return Image(image_id, rows[0] if rows else None, asked, "" if rows else "no such image here")


def _exists(situation: Situation) -> Iterator[Finding]:
    found, name = image(situation), situation.spec.nodes.image
    if found.row is None:
        fix = (
            "write the name of a parameter of this Region in nodes.image, such as "
            "/aws/service/deeplearning/ami/..."
            if found.missing.endswith("parameter")
            else "write an image of this Region that is shared with this account in nodes.image"
        )
        yield failed(found.image_id, found.missing, "there", fix, question=found.question)
    elif found.row.get("State", "available") != "available":
        fix = "wait for it, or write another image in nodes.image"
        yield failed(found.image_id, found.row["State"], "available", fix, question=found.question)
    else:
        words = f"{found.image_id}: {found.row.get('Name', 'no name')}"
        yield passed(name, words, found.question)


def _architecture(situation: Situation) -> Iterator[Finding]:
    found, instance = image(situation), situation.spec.nodes.instance
    if found.row is None:
        yield skipped("architecture", found.missing)
    elif found.row["Architecture"] != instance.architecture:
        yield failed(
            f"architecture of {found.image_id}",
            found.row["Architecture"],
            f"{instance.architecture}, of {instance.name}",
            f"write an image of {instance.architecture} in nodes.image",
            question=found.question,
        )
    else:
        yield passed(f"architecture of {found.image_id}", instance.architecture, found.question)


def _boot_mode(situation: Situation) -> Iterator[Finding]:
    """An image without a mode boots in the type's own; `uefi-preferred` boots in either."""
    found, instance = image(situation), situation.spec.nodes.instance
    if found.row is None:
        yield skipped("boot mode", found.missing)
        return
    mode, known = found.row.get("BootMode"), instance.boot_modes
    subject = f"boot mode of {found.image_id}"
    if not known:
        yield skipped(subject, f"the boot modes of {instance.name} are not known")
    elif mode is None or mode == PREFERRED or mode in known:
        words = mode or "none given"
        yield passed(subject, f"{words}; {instance.name} boots {', '.join(known)}", found.question)
    else:
        wanted = " or ".join([*known, PREFERRED])
        fix = f"write an image of boot mode {wanted} in nodes.image; {instance.name} boots no other"
        yield failed(subject, mode, wanted, fix, question=found.question)


def _root_device(situation: Situation) -> Iterator[Finding]:
    """A mapping of another name would add a second volume; a smaller one is refused."""
    found, nodes = image(situation), situation.spec.nodes
    if found.row is None:
        yield skipped("root device", found.missing)
        return
    name = found.row.get("RootDeviceName")
    subject = f"root device of {found.image_id}"
    if name != nodes.root_device_name:
        fix = f'write nodes.root_device_name="{name}", or another image'
        yield failed(subject, str(name), nodes.root_device_name, fix, question=found.question)
        return
    sizes = [
        int(each["Ebs"]["VolumeSize"])
        for each in found.row.get("BlockDeviceMappings") or ()
        if each.get("DeviceName") == name and (each.get("Ebs") or {}).get("VolumeSize")
    ]
    size = max(sizes, default=0)
    if size > nodes.root_volume_gib:
        fix = f"write nodes.root_volume_gib={size} or more"
        wanted = f"at most {nodes.root_volume_gib} GiB"
        yield failed(subject, f"{size} GiB", wanted, fix, question=found.question)
    else:
        yield passed(subject, f"{name}, {size} GiB", found.question)


CHECKS: Final = (
    Check("image-exists", "The image of the nodes exists", _exists),
    Check("image-architecture", "The image has the type's architecture", _architecture),
    Check("image-boot-mode", "The instance type boots the image", _boot_mode),
    Check("image-root-device", "The root volume is the image's own", _root_device),
)
