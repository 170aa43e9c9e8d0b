"""The one literal of an environment's file that names an image."""

from pathlib import Path

import pytest

from ultracluster.image.command import NoLiteralError, rewritten

NEW = "ami-00000000000000001"
OLD = "ami-0123456789abcdef0"


def written(tmp_path: Path, text: str, whose: str = "nodes", name: str = "a") -> str:
    """Replace the image in a file, and return what the file would be."""
    path = tmp_path / "some.py"
    path.write_text(text, "utf-8")
    return rewritten([path], name, whose, NEW)[1].decode()


@pytest.mark.parametrize(
    "text",
    [
        f'A = EnvironmentSpec(name="a", nodes=NodesSpec(count=2, image="{OLD}"), slurm=None)\r\n',
        f'E = [\n EnvironmentSpec(\n  name="a",\n  nodes=NodesSpec(image="{OLD}"),  # ä, ß\n)]\n',
        f'IMAGE = "{OLD}"  # today\nA = EnvironmentSpec(name="a", nodes=NodesSpec(image=IMAGE))\n',
        f'N = NodesSpec(image="{OLD}")\nA = EnvironmentSpec(name="a", nodes=N)\n',
        f'A = EnvironmentSpec(name="a", nodes=NodesSpec(x="ö ü", image="{OLD}"))',
    ],
)
def test_nothing_but_the_id_is_changed(tmp_path: Path, text: str):
    """Comments, line ends, and what another editor would format stay as they are."""
    assert written(tmp_path, text) == text.replace(OLD, NEW)


def test_each_environment_and_each_image_has_its_own(tmp_path: Path):
    """Ids may be equal texts: place, not text, says which is meant."""
    both = (
        'EnvironmentSpec(name="{}", nodes=NodesSpec(image="{}"), slurm=SlurmSpec(login_image="{}"))'
    )
    text = "\n".join(f"X{n} = {both.format(n, OLD, OLD)}" for n in "ab")

    first, second = text.splitlines()
    assert written(tmp_path, text, "login", "b") == "\n".join(
        (first, second.replace(f'login_image="{OLD}"', f'login_image="{NEW}"'))
    )
    assert written(tmp_path, text, "nodes", "a") == "\n".join(
        (first.replace(f'(image="{OLD}"', f'(image="{NEW}"'), second)
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("nodes=NodesSpec(count=2)", ":3: nodes.image is not a text"),
        ("nodes=NodesSpec(image=OTHER)", ":3: nodes.image is not a text"),
        ("nodes=f()", "write image="),
        ("nodes=NodesSpec(image=TWICE)", ":3:"),
        ('nodes=NodesSpec(image="""ami-\n1""")', "several lines"),
        ('nodes=NodesSpec(image=f"ami-{1}")', "is not a text"),
    ],
)
def test_what_is_no_text_of_its_own_is_refused_in_one_line(tmp_path: Path, fields: str, words: str):
    """A guess could change another environment."""
    with pytest.raises(NoLiteralError) as caught:
        written(
            tmp_path, f'TWICE = "ami-1"\nTWICE = "ami-2"\nA = EnvironmentSpec(name="a", {fields})'
        )

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_environment_that_no_file_writes_out_is_named(tmp_path: Path):
    """Environments may be made by functions; their ids are then written by hand."""
    with pytest.raises(NoLiteralError, match="no EnvironmentSpec"):
        written(tmp_path, 'A = EnvironmentSpec(name="b", nodes=NodesSpec(image="ami-1"))')
