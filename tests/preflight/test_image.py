"""What a new machine image would change, asked before a deployment."""

from tests.preflight.account import Answering, error, image
from tests.preflight.one import finding
from tests.preflight.specs import MADE
from ultracluster.preflight.finding import Verdict
from ultracluster.spec.environment import EnvironmentSpec

PINNED = "ami-0aaaaaaaaaaaaaaaa"


def pinned() -> EnvironmentSpec:
    """Return an environment with an image by its id."""
    nodes = MADE.nodes.model_copy(update={"image": PINNED})
    return MADE.model_copy(update={"nodes": nodes})


def account(*, has_it: bool = True) -> Answering:
    """Return an account in which today's image is another one than the pinned one."""
    cloud = Answering()
    today = cloud.answers["ec2", "describe_images"]

    def described(given):
        if given["ImageIds"] != [PINNED]:
            return today(given)
        if not has_it:
            return error("InvalidAMIID.NotFound")(given)
        return {"Images": [image(ImageId=PINNED, Name="Deep Learning Base of May")]}

    cloud.change("ec2", "describe_images", described)
    return cloud


def test_what_today_s_image_changes_is_said_and_is_no_failure():
    """An old image works; whoever takes the new one knows what comes with it."""
    found = finding("image-today", account(), pinned())

    assert found.verdict is Verdict.PASS
    assert f"{PINNED} is not today's" in found.found
    assert "Name: Deep Learning Base of May -> Deep Learning Base" in found.found


def test_an_example_id_fails_with_the_command_that_replaces_it():
    """A file that was just copied names an image that no account has."""
    missing = finding("image-exists", account(has_it=False), pinned())

    assert missing.verdict is Verdict.FAIL
    assert "ultracluster image made --write" in missing.fix
    today = finding("image-today", account(has_it=False), pinned())
    assert today.verdict is Verdict.SKIP
    assert "today's is ami-0123456789abcdef2" in today.found


def test_an_image_by_parameter_is_today_s_at_every_deployment():
    """There is nothing to compare."""
    assert finding("image-today", Answering(), MADE).verdict is Verdict.SKIP
