"""What the documentation names exists, and its samples work."""

import ast
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import constructs_lib
from golden import commands_page, specs_page
from tests.docs import aws_cli
from tests.docs.pages import PAGES, ROOT, Page
from tests.wheel import wheel
from ultracluster.cli import parser
from ultracluster.exit_status import UsageError
from ultracluster.spec.base import Spec

BASES = r"Construct|efs\.FileSystem|LustreFileSystem|NodeTemplate|OwnSecurityGroup"
LINK = re.compile(r"""\]\((?!https?:|mailto:)([^)#]+)|(?:src|srcset|href)="(?!https?:)([^"#]+)""")
LEFT_OUT = re.compile(
    r"required|expected one argument|needs a value|Invalid length|got COMMAND|got \w+:"
)
REFERENCE = f"{commands_page.PAGE.read_text()} --version --help --debug"
MAKEFILE = (ROOT / "Makefile").read_text()
EVERY_PAGE = pytest.mark.parametrize(
    "page", [Page(path) for path in PAGES], ids=lambda page: page.name
)


def block(page: str, marker: str) -> str:
    """Return the Python example of a page that holds a word."""
    (found,) = [b.text for b in Page(ROOT / page).blocks if marker in b.text]
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the project as pip installs it, and nothing else of it."""
    target = tmp_path_factory.mktemp("project") / "site"
    zipfile.ZipFile(wheel(tmp_path_factory)).extractall(target)
    return target


def test_a_construct_works_in_a_stack_outside_the_repository(installed: Path, tmp_path: Path):
    """The example of docs/constructs.md, run by somebody who has only installed the project."""
    example = block("docs/constructs.md", "FabricSecurityGroup(stack")
    where = "import constructs_lib; print(constructs_lib.__file__)"
    made = "app.synth().stacks[0].template['Resources'].values()"
    zones = f"print({{m['Properties'].get('AvailabilityZoneId') for m in {made} "
    zones += "if m['Type'] == 'AWS::EC2::Subnet'})"
    (tmp_path / "theirs.py").write_text(f"{example}\n{where}\n{zones}\n")
    # The repository and its editable installation are taken off the path: what is found is the
    # installed copy, or nothing.
    lines = (
        "import sys",
        f"sys.path = [{str(installed)!r}, *(p for p in sys.path if p != {str(ROOT)!r})]",
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f).lower()]",
        "exec(open('theirs.py').read())",
    )

    done = subprocess.run(
        [sys.executable, "-P", "-c", "\n".join(lines)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stdout
    assert "{'use1-az6'}" in done.stdout, "capacity is reserved in that zone"
    assert len(example.splitlines()) <= 17


@EVERY_PAGE
def test_links_lead_somewhere(page: Page):
    """A link to a file names one that is there."""
    targets = ["".join(found) for found in LINK.findall(page.text)]

    assert [target for target in targets if not (page.path.parent / target).exists()] == []


def commands(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the words of each command of some lines, without what a shell adds to it."""
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;|>|<", line.partition(" #")[0]):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:  # the middle of a program in quotes
                    continue
                yield [word for word in words if word not in ("sudo", "$")]


def refusal(words: list[str]) -> str:
    """Return why a command cannot be typed, nothing where it can."""
    given = ["1" if word == "N" else word for word in words[1:]]
    if words[:1] == ["make"]:
        targets = [word for word in given if "=" not in word and word[0] != "-"]
        return " ".join(t for t in targets if not re.search(rf"^{t}:", MAKEFILE, re.MULTILINE))
    if (
        any("..." in word or "$(" in word for word in given)
        or not given
        or {"--help", "--version", "[--nodes]"} & set(given)
    ):
        return ""
    try:
        if words[0] == "ultracluster":
            parser(given).parse_args(given)
        elif words[0] == "aws" and tuple(given[:2]) not in aws_cli.OWN:
            aws_cli.read(given)
    except (UsageError, aws_cli.UsageError) as error:
        return str(error)
    return ""


@EVERY_PAGE
def test_every_command_of_a_page_exists(page: Page):
    """A verb, an option or a make target that is promised can be typed."""
    shells = [block.text for block in page.blocks if block.language == "sh"]

    found = {tuple(words): refusal(words) for words in commands((*shells, *page.first_commands))}
    assert {words: why for words, why in found.items() if why} == {}


@EVERY_PAGE
def test_a_command_in_a_sentence_exists(page: Page):
    """It may be told by its verb and the option that a sentence is about, without the rest."""
    if page.name == "CHANGELOG.md" or "decisions" in page.name:
        return  # what was there on its day
    found = {tuple(words): refusal(words) for words in commands(page.mentioned)}

    assert {w: why for w, why in found.items() if why and not LEFT_OUT.search(why)} == {}
    options = {word for words in found for word in words[1:] if words[0] == "ultracluster"}
    assert {o for o in options if o.startswith("--") and o not in REFERENCE} == set()


@EVERY_PAGE
def test_every_field_of_a_python_sample_exists(page: Page):
    """Samples leave values out, but a field that they write has its name in the spec."""
    for sample in (block.text for block in page.blocks if block.language == "python"):
        for node in ast.walk(ast.parse(sample)):
            # `nodes=NodesSpec(...),` of a call is a tuple where it stands alone.
            one = isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
            assert not one, f"a tuple: {ast.unparse(node)}"
            name = getattr(getattr(node, "func", None), "id", "")
            kind = getattr(constructs_lib, name, None) if name.endswith("Spec") else None
            if isinstance(node, ast.Call) and isinstance(kind, type) and issubclass(kind, Spec):
                named = {keyword.arg for keyword in node.keywords if keyword.arg}
                assert named <= set(kind.model_fields), f"{page.name}: {name}"


def test_every_construct_is_documented():
    """A construct that nobody hears of is not used."""
    defined = {
        name
        for path in (ROOT / "constructs_lib").glob("*.py")
        for name in re.findall(rf"^class (\w+)\((?:{BASES})\)", path.read_text(), re.MULTILINE)
    }
    # A part of the two networks, and what LustreStorage is to its clients.
    helpers = {"Endpoints", "LustreFileSystem"}

    page = (ROOT / "docs" / "constructs.md").read_text()
    missing = {name for name in defined - helpers if f"`{name}`" not in page}
    assert missing == set()


def test_every_decision_has_a_status_and_gives_its_reasons():
    """A record is read by whoever wants to undo it."""
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        assert "accepted" in path.read_text(), path.name


def test_the_reference_is_what_the_code_says():
    """A field or an option that is added stands there; `make reference` writes it."""
    assert commands_page.PAGE.read_text() == commands_page.page()
    assert specs_page.PAGE.read_text() == specs_page.page()
    assert specs_page.SCHEMA.read_text() == specs_page.schema()


def test_the_error_of_the_planner_is_that_of_its_page():
    """README.md names it, and `make planner-accuracy` changes it."""
    page = (ROOT / "docs/planner-accuracy.md").read_text()
    row = re.search(r"all whose shape is known \| (\d+) \| \*\*([\d.]+)%\*\*", page)

    assert row is not None
    readme = (ROOT / "README.md").read_text()
    assert f"[{row[1]} published runs, predicted and real]" in readme
    assert f"the mean error is {row[2]} %." in readme


def test_the_picture_has_a_dark_side():
    """Both sides are one drawing: what is changed in one is changed in the other."""
    light, dark = (ROOT / "docs" / f"architecture{side}.svg" for side in ("", "-dark"))

    assert dark.read_text() == light.read_text().replace(
        "@media (prefers-color-scheme: dark)", "@media all"
    )
