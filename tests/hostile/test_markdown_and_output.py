"""What leaves the program: no character acts on a terminal, no name breaks out of Markdown."""

import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.mutators import on_login_node
from ultracluster.cli import main
from ultracluster.exit_status import COULD_NOT_RUN
from ultracluster.review.page.pages import LONGEST, code, escaped, fitted
from ultracluster.safe_output import UNSAFE, console, visible
from ultracluster.templates.texts import leaves

ROOT = Path(__file__).parents[2]
NASTY = "A\x1b[2K\x1b[1A\x9b8m\u202eB\u2066\x07\r"
TEMPLATE = {
    "Resources": {
        NASTY: {
            "Type": "AWS::FSx::FileSystem",
            "Properties": {
                "FileSystemType": "LUSTRE",
                "StorageCapacity": 1300,
                "LustreConfiguration": {"DeploymentType": NASTY},
                "Tags": [{"Key": "Name", "Value": "``` @everyone ## x #12 | <script> [a](b) ``"}],
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "x`` @octocat",
                "Policies": [
                    {
                        "PolicyName": NASTY,
                        "PolicyDocument": {
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Action": "s3:*",
                                    "Resource": f"arn:aws:s3:::@octocat``#1{NASTY}",
                                }
                            ]
                        },
                    }
                ],
            },
        },
    }
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(TEMPLATE))
    return path


@pytest.mark.parametrize("form", ["text", "table", "json", "sarif", "junit"])
def test_an_audit_prints_no_character_that_acts(template, capsys, form):
    """A logical id cannot blank its own finding."""
    main(["audit", str(template), "--format", form, "--show-unknown"])
    out, err = capsys.readouterr()
    assert "A" in out
    assert not UNSAFE.search(out + err)
    if form in {"json", "sarif"}:
        # JSON escapes: a program gets the name as it is.
        assert any(NASTY in text for text in leaves(json.loads(out)) if isinstance(text, str))


def test_a_review_writes_no_character_that_acts(template, tmp_path, capsys):
    """In no format, and not into the terminal."""
    folder = tmp_path / "out"
    main(["review", str(template), "--format", "html,md,json,svg,mermaid", "--output", str(folder)])
    out, err = capsys.readouterr()
    texts = [path.read_text() for path in folder.iterdir()]
    assert len(texts) == 5
    assert not UNSAFE.search("".join([out, err, *texts]))
    page = next(folder.glob("*.md")).read_text()
    assert not re.search(r"[@#]\w", _without_code(page))
    assert "<script" not in _without_code(page).replace("\\<", "")


COMMANDS_OF_A_RUNNER = ("::error file=a::b", "  ::stop-commands::x", "##[add-mask]x")


@pytest.mark.parametrize("command", COMMANDS_OF_A_RUNNER)
@pytest.mark.parametrize(
    "words",
    [("audit",), *(("audit", "--format", f) for f in ("table", "sarif", "junit")), ("review",)],
)
def test_no_name_is_a_command_to_the_runner_of_a_workflow(command, words, tmp_path, capsys):
    """GitHub's runner obeys `::` at the begin of a line, and `##[` anywhere: to a name as well."""
    file = tmp_path / "t.json"
    name = f"A\n{command}"
    bucket = {"Type": "AWS::FSx::FileSystem", "Properties": {"FileSystemType": name}}
    file.write_text(json.dumps({"Resources": {name: bucket}, "Outputs": {name: {"Value": name}}}))
    before = tmp_path / "before.json"
    before.write_text(json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket"}}}))
    more = ("--baseline", str(before), "--output", str(tmp_path / "o")) if "review" in words else ()
    main([words[0], str(file), *words[1:], *more])
    main(["audit", f"{command}.yaml"])
    out, err = capsys.readouterr()
    assert "A" in out
    assert not re.search(r"^\s*::|##\[", out + err, re.MULTILINE)


@pytest.mark.parametrize(
    "sign", ["\xad", "\u200b", "\u200d", "\u2060", "\ufeff", "\ufe0f", "\U000e0041"]
)
def test_what_has_no_width_is_seen(sign):
    """Two names would look alike."""
    assert visible(f"a{sign}b") == "a\ufffdb"


def test_a_line_of_an_audit_is_one_finding(tmp_path, capsys):
    """A name with a line feed would write a line that looks like another finding."""
    file = tmp_path / "t.json"
    name = "A\nother.yaml:1: error FABRIC-1 B: all is well"
    file.write_text(json.dumps({"Resources": {name: {"Type": "AWS::FSx::FileSystem"}}}))
    main(["audit", str(file), "--show-unknown"])
    assert "\nother.yaml" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["dev-x JobId=99", "dev-x\nand more", "dev-x\nJobId=a JobName=dev-y"]
)
def test_the_name_of_a_job_is_not_another_job(name, capsys):
    """Whoever calls a job so would have the operator stop another's, or end `list` for all."""
    squeue = f"JobId=7 JobState=RUNNING NumNodes=2 UserId=eve JobName={name}\n"
    with on_login_node(squeue):
        assert main(["train", "list", "dev", "--slurm", "--format", "json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
    assert (row["JobId"], row["UserId"]) == ("7", "eve")


@pytest.mark.parametrize("words", [("logs",), ("submit", "gpt-1b")])
def test_what_a_login_shell_prints_is_no_answer(words, capsys):
    """A profile that greets stands before whatever the login node answers."""
    verb, *others = words
    with on_login_node("Welcome!\nJobId=7 JobState=RUNNING NumNodes=2 UserId=eve JobName=dev-x\n"):
        assert main(["train", verb, "dev", *others, "--slurm"]) == COULD_NOT_RUN
    assert "the login node answered" in capsys.readouterr().err


def test_what_a_rule_pack_calls_severe_is_escaped(tmp_path):
    """The report of an assembly is a file like another."""
    (tmp_path / "t.json").write_text(
        '{"Resources": {"A": {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "s/A"}}}}'
    )
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "t.json"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"s": artifact}}))
    violation = {
        "severity": "x | @everyone <img>",
        "violatingConstructs": [{"constructPath": "s/A"}],
    }
    plugins = [{"pluginName": "p", "violations": [violation]}]
    (tmp_path / "validation-report.json").write_text(json.dumps({"pluginReports": plugins}))
    folder = tmp_path / "out"
    assert main(["review", str(tmp_path), "--format", "md", "--output", str(folder)]) == 0
    page = next(folder.glob("*.md")).read_text()
    assert r"x \| `@`everyone \<img\>" in page


def test_an_error_about_a_file_is_clean(capsys, tmp_path):
    """The name of a file is somebody's as well."""
    assert main(["audit", str(tmp_path / "\x1b[31mx")]) == 2
    assert not UNSAFE.search(capsys.readouterr().err)


def _without_code(page: str) -> str:
    """Return Markdown without fenced blocks, and without code by the rule of CommonMark."""
    page = re.sub(r"^```mermaid\n.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<![\\`])(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", page)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("https://x", "https`://`x"),
        ("see WWW.x", "see `WWW.`x"),
        ("GH-12 and a`b", "`GH-`12 and a&grave;b"),
        ("@a/b#1", "`@`a/b`#`1"),
        ("$x$", r"\$x\$"),
    ],
)
def test_nothing_in_a_text_is_a_link(text, written):
    """GitHub makes one of an address, a number and a name."""
    assert escaped(text) == written


@settings(max_examples=150)
@given(st.text(st.sampled_from("`|\\ a@#\n*_<>&[]"), max_size=12))
def test_code_and_text_of_markdown_cannot_be_left(text):
    """Whatever number of backticks is in it, one code span is all that there is."""
    written = code(text)
    if " ".join(text.split()):
        assert _without_code(written) == ""
    assert not re.search(r"[@#]\w", _without_code(escaped(f"{text}@x #1").replace("&#96;", "")))
    assert "\n" not in written + escaped(text)


def test_a_styled_console_keeps_its_own_styles_alone():
    """The styles of the program reach a terminal, those of a file do not."""
    file = io.StringIO()
    console(file=file, force_terminal=True, color_system="standard").print(
        "[red]x[/red] \x1b[8mhidden"
    )
    assert "\x1b[31mx" in file.getvalue()
    assert "\x1b[8m" not in file.getvalue()


def test_all_consoles_are_made_in_one_place():
    """Nobody can forget that a name may hold an escape sequence."""
    makers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "ultracluster").rglob("*.py")
        if re.search(r"(?<!\w)Console\(", path.read_text()) and path.name != "safe_output.py"
    ]
    assert makers == []
    assert visible("a\tb\n") == "a\tb\n"


def test_standard_streams_are_given_back():
    """A program that calls `main` keeps its own streams."""
    before = sys.stdout, sys.stderr
    main(["audit", "/nowhere"])
    assert (sys.stdout, sys.stderr) == before


def test_a_page_that_is_too_long_says_what_it_left_out():
    """Worst first: changes stay, a picture is left out whole."""
    changes = "".join(f"- **{n} é changes**\n" for n in range(4000))
    numbers = "## Numbers\n\n" + "x\n" * 20_000
    picture = "## Picture\n\n```mermaid\n" + "  n1 --> n2\n" * 9000 + "```\n\n"
    page = f"# Review of x\n\nverdict\n\n## Changes\n\n{changes}\n{picture}{numbers}"
    found = fitted(page)
    assert len(found.encode()) <= LONGEST
    assert "- **0 é changes**" in found
    assert found.count("```") % 2 == 0
    assert "Picture" in found.split("## Changes")[0]
    assert fitted("short") == "short"
