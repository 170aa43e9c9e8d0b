"""Checks of machine images: whether they exist, and whether instance types can boot them."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from ultracluster.catalogue.images import differences
from ultracluster.preflight.finding import (
    Examination,
    Finding,
    Frame,
    Situation,
    check,
    failed,
    of_each_fabric,
    passed,
    skipped,
)
from ultracluster.preflight.inquiry import Question, question
from ultracluster.spec.node_groups import PlainNodes, image_parameter, images, plain_nodes

NO_PARAMETER: Final = ("ParameterNotFound", "ParameterVersionNotFound", "ParameterVersionLabel")
NO_IMAGE: Final = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidAMIID.Malformed")
PREFERRED: Final = "uefi-preferred"


Row = dict[str, Any]


class Image(NamedTuple):
    """An image as EC2 describes it, and how it was found."""

    image_id: str
    row: Row | None
    question: Question
    missing: str = ""


def image(situation: Situation, name: str = "") -> Image:
    """Return an image, that of the nodes unless another is named; a row of None if missing."""
    name = name or situation.spec.nodes.image
    image_id = name
    if not name.startswith("ami-"):
        parameter = question("ssm", "get_parameter", Name=name)
        answer = situation.ask_unless(parameter, *NO_PARAMETER)
        if answer is None:
            return Image(name, None, parameter, "no such SSM parameter")
        image_id = answer["Parameter"]["Value"]
    asked = question("ec2", "describe_images", ImageIds=[image_id])
    answer = situation.ask_unless(asked, *NO_IMAGE)
    rows = answer["Images"] if answer else []
    row, missing = (rows[0], "") if rows else (None, "no such image in this Region")
    return Image(image_id, row, asked, missing)


@check("image-exists", "The image of the nodes exists", of_each_fabric)
def _exists(situation: Situation) -> Iterator[Finding]:
    found, name = image(situation), situation.spec.nodes.image
    if found.row is None:
        fix = (
            "write the name of a parameter of this Region in nodes.image, such as "
            "/aws/service/deeplearning/ami/..."
            if found.missing.endswith("parameter")
            else "write an image of this Region that is shared with this account in nodes.image; "
            f"ultracluster image {situation.spec.name} --write writes today's"
        )
        yield failed(found.image_id, found.missing, "there", fix, found.question)
    elif found.row.get("State", "available") != "available":
        fix = "wait for it, or write another image in nodes.image"
        yield failed(found.image_id, found.row["State"], "available", fix, found.question)
    else:
        words = f"{found.image_id}: {found.row.get('Name', 'no name')}"
        yield passed(name, words, found.question)


def there(subject: str) -> Frame:
    """Return the frame of a judgement of the nodes' image, which is skipped where there is none."""

    def framed(judge: Callable[[Situation, Image, Row], Finding]) -> Examination:
        def examine(situation: Situation) -> Iterator[Finding]:
            found = image(situation)
            if found.row is None:
                yield skipped(subject, found.missing)
            else:
                yield judge(situation, found, found.row)

        return of_each_fabric(examine)

    return framed


@check("image-architecture", "The image has the type's architecture", there("architecture"))
def _architecture(situation: Situation, found: Image, row: Row) -> Finding:
    instance, subject = situation.spec.nodes.instance, f"architecture of {found.image_id}"
    wanted = instance.architecture
    if row["Architecture"] == wanted:
        return passed(subject, wanted, found.question)
    fix, words = f"write an image of {wanted} in nodes.image", f"{wanted}, of {instance.name}"
    return failed(subject, row["Architecture"], words, fix, found.question)


@check("image-boot-mode", "The instance type boots the image", there("boot mode"))
def _boot_mode(situation: Situation, found: Image, row: Row) -> Finding:
    """An image without a mode boots in the type's own; `uefi-preferred` boots in either."""
    instance = situation.spec.nodes.instance
    mode, known = row.get("BootMode"), instance.boot_modes
    subject = f"boot mode of {found.image_id}"
    if not known:
        return skipped(subject, f"the boot modes of {instance.name} are not known")
    if mode is None or mode == PREFERRED or mode in known:
        words = f"{mode or 'none given'}; {instance.name} boots {', '.join(known)}"
        return passed(subject, words, found.question)
    wanted = " or ".join([*known, PREFERRED])
    fix = f"write an image of boot mode {wanted} in nodes.image; {instance.name} boots no other"
    return failed(subject, mode, wanted, fix, found.question)


@check("image-root-device", "The root device name is that of the image", there("root device"))
def _root_device(situation: Situation, found: Image, row: Row) -> Finding:
    """A mapping of another name would add a second volume; a smaller one is refused."""
    nodes, name = situation.spec.nodes, row.get("RootDeviceName")
    subject = f"root device of {found.image_id}"
    if name != nodes.root_device_name:
        fix = f'write nodes.root_device_name="{name}", or another image'
        return failed(subject, str(name), nodes.root_device_name, fix, found.question)
    sizes = [
        int(each["Ebs"]["VolumeSize"])
        for each in row.get("BlockDeviceMappings") or ()
        if each.get("DeviceName") == name and (each.get("Ebs") or {}).get("VolumeSize")
    ]
    size = max(sizes, default=0)
    if size <= nodes.root_volume_gib:
        return passed(subject, f"{name}, {size} GiB", found.question)
    fix = f"write nodes.root_volume_gib={size} or more"
    wanted = f"at most {nodes.root_volume_gib} GiB"
    return failed(subject, f"{size} GiB", wanted, fix, found.question)


@check("image-today", "The newest image, compared to the pinned one")
def _today(situation: Situation) -> Iterator[Finding]:
    """A pinned image becomes outdated: newer ones have fixes of driver, EFA and kernel."""
    slurm, nodes = situation.spec.slurm, situation.spec.nodes
    pinned = {"nodes.image": (nodes.image, False)}
    if slurm is not None and slurm.login_image is not None:
        pinned["slurm.login_image"] = (slurm.login_image, True)
    for field, (name, login) in pinned.items():
        parameter = image_parameter(situation.spec, login=login)
        if not name.startswith("ami-"):
            yield skipped(field, "no image id; each deployment uses the parameter's current image")
        elif parameter is None:
            yield skipped(field, "no SSM parameter of a newer image is known")
        else:
            yield _beside_todays(situation, field, image(situation, name), parameter)


def _beside_todays(situation: Situation, field: str, found: Image, parameter: str) -> Finding:
    today = image(situation, parameter)
    if today.row is None:
        return skipped(field, f"{parameter}: {today.missing}", question=today.question)
    if found.row is None:
        words = f"{found.missing}; today's is {today.image_id}: {today.row.get('Name', 'no name')}"
        return skipped(field, words, question=today.question)
    changes = "; ".join(
        f"{each.what}: {each.pinned} -> {each.today}" for each in differences(found.row, today.row)
    )
    words = f"{found.image_id} is not today's: {changes}" if changes else "it is today's image"
    return passed(field, words, today.question)


@check("login-image", "The types of nodes without EFA can boot their image")
def _plain(situation: Situation) -> Iterator[Finding]:
    """Login nodes and CPU groups may be of another architecture, with an image of their own."""
    every = [_bootable(situation, each) for each in plain_nodes(situation.spec)]
    yield from every or [skipped("login image", "the environment has no login nodes")]


def _bootable(situation: Situation, nodes: PlainNodes) -> Finding:
    found = image(situation, nodes.image or "")
    if found.row is None:
        if nodes.image is None:
            return skipped(f"image of {nodes.what}", f"{found.missing}; see image-exists")
        fix = f"write a parameter or an image of this Region in {nodes.image_field}, or None"
        if nodes.image_field == "slurm.login_image":
            fix += f"; ultracluster image {situation.spec.name} --login --write writes today's"
        return failed(found.image_id, found.missing, "there", fix, found.question)
    wanted = nodes.architecture
    architecture, subject = str(found.row["Architecture"]), f"architecture of {found.image_id}"
    words = f"{wanted}, of {nodes.instance_type}"
    if architecture == wanted:
        return passed(subject, words, found.question)
    own = nodes.type_field.rpartition(".")[2]
    fix = f"write an image of {wanted} in {nodes.image_field}, or another {own}"
    return failed(subject, architecture, words, fix, found.question)


@check("image-pcs-ready", "The images have Slurm and the PCS agent")
def _pcs_ready(situation: Situation) -> Iterator[Finding]:
    """No API says what is on an image: AWS's own is known by where its name is found."""
    slurm = situation.spec.slurm
    if slurm is None:
        yield skipped("Slurm on the image", "the environment has no Slurm")
        return
    for name in sorted(set(images(situation.spec).values())):
        found = image(situation, name)
        if found.row is None:
            yield skipped(f"Slurm on {name}", f"{found.missing}; see image-exists or login-image")
        elif name.startswith("/aws/service/pcs/") or (
            found.row.get("ImageOwnerAlias") == "amazon"
            and "pcs" in str(found.row.get("Name", "")).lower()
        ):
            words = f"an AWS PCS-ready image; no API tells whether it has Slurm {slurm.version}"
            yield passed(f"Slurm on {name}", words, found.question)
        else:
            yield skipped(
                f"Slurm on {name}",
                "no API tells what a custom image contains",
                f"see that it has the PCS agent and Slurm {slurm.version}: a node without them "
                "starts, is billed, and never becomes idle",
                found.question,
            )
