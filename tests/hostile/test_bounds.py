"""What a file may be and take: refused in one line, or read in a time that grows with its size."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.hostile.mutators import LOG
from ultracluster import untrusted_file
from ultracluster.accept.journal import Journal
from ultracluster.cli import main
from ultracluster.exit_status import (
    ALL_WELL,
    COULD_NOT_RUN,
    SOME_FAIL,
    UNEXPECTED,
    UsageError,
)
from ultracluster.job_files import dockerfile
from ultracluster.model.policies import compiled
from ultracluster.model.shell_variables import LONGEST_VALUE, assignments
from ultracluster.rehearse.campaign.cycle import Record
from ultracluster.templates import yaml_document
from ultracluster.untrusted_file import LARGEST_BYTES, UnreadableError, json_of, text_of

HEAD = "TrainingJobName: a\na0: &a0 {x: 1}\n"
NESTED = HEAD + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: *a{n - 1}}}\n" for n in range(1, 60)
)
COMMANDS = (
    ("audit", "FILE"),
    ("review", "FILE", "--baseline", "none", "--output", "OUT"),
    ("train", "check", "FILE"),
    ("plan", "--parameters", "1B", "--tokens", "1e9", "--nodes", "2", "--calibrate", "FILE"),
    ("rehearse", "dev", "--faults", "FILE"),
)  # fmt: skip


def refused(words, file: Path, capsys, out: Path) -> str:
    """Return the one line of a command that refuses a file."""
    places = {"FILE": str(file), "OUT": str(out)}
    assert main([places.get(word, word) for word in words]) in (SOME_FAIL, COULD_NOT_RUN)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ")
    return line


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize("kind", ["device", "directory", "pipe", "large", "binary", "digits"])
def test_what_is_no_file_is_refused_by_every_command(words, kind, tmp_path, capsys):
    """A device never ends, a pipe may never begin, and a disk image is no template."""
    file = tmp_path / "given"
    if kind == "device":
        file = Path("/dev/zero")
    elif kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)  # nobody writes into it
    elif kind == "large":
        with file.open("wb") as made:
            made.truncate(10**12)
    elif kind == "binary":
        file.write_bytes(b"\xff\xfe\x00{")
    else:
        file.write_text("9" * 5000)
    refused(words, file, capsys, tmp_path)


def test_a_pipe_that_is_written_is_read(tmp_path):
    """`audit <(aws cloudformation get-template ...)` is how people look at what is deployed."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = "x" * 300_000
    writer = threading.Thread(target=path.write_text, args=(text,))
    writer.start()
    descriptor = os.open(path, os.O_RDONLY)  # as the shell does, before the program begins
    try:
        assert text_of(f"/dev/fd/{descriptor}") == text
    finally:
        writer.join()
        os.close(descriptor)


def test_a_path_that_is_none_is_said(tmp_path):
    """Python raises another error for it than for a file that is missing."""
    for path in ("a\0b", tmp_path / "none"):
        with pytest.raises(UnreadableError):
            text_of(path)
    assert LARGEST_BYTES == 20_000_000


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", '{"a": -Infinity}', "[" * 100_000, "[" * 400 + "]" * 400]
)
def test_what_is_no_json_is_refused(text):
    """JSON has no such numbers; Python's reader takes them, and every comparison fails later."""
    with pytest.raises(UnreadableError):
        json_of("t", text)


def test_numbers_and_characters_can_be_written_again():
    """Nobody behind the door meets a number that no float holds, or half of a character."""
    text = f'{{"a": {"9" * 5000}, "b": 1e999, "c": "\\ud800", "\\udfff": -{"9" * 19}, "d": 7}}'
    found = json_of("t", text)
    json.dumps(found, ensure_ascii=False).encode()
    assert found["d"] == 7
    assert all(isinstance(each, str) for key, each in found.items() if key != "d")


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_a_resource_that_is_there_twice_is_said_with_both_lines(name, tmp_path, capsys):
    """The last one alone would count, in silence."""
    file = tmp_path / name
    body = '{"Resources": {\n"A": {"Type": "AWS::EC2::VPC"},\n"A": {"Type": "AWS::EC2::VPC"}}}'
    if name == "a.yaml":
        body = "Resources:\n  A: {Type: AWS::EC2::VPC}\n  A: {Type: AWS::EC2::VPC}\n"
    file.write_text(body)
    line = refused(("audit", "FILE"), file, capsys, tmp_path)
    assert f"{file}:3: resource A is on line 2 as well" in line


@pytest.mark.parametrize("section", ["Resources", "Parameters", "Outputs"])
def test_a_name_that_is_longer_than_a_screen_is_refused(section, tmp_path, capsys):
    """Each finding of it, and each that it is named in, would print all of it."""
    entry = {"Type": "AWS::FSx::FileSystem", "Properties": {"StorageCapacity": 1}}
    file = tmp_path / "t.json"
    for length, status in ((255, SOME_FAIL), (256, COULD_NOT_RUN)):
        body = {"Resources": {"A": entry}}
        body.setdefault(section, {})["k" * length] = entry
        file.write_text(json.dumps(body))
        assert main(["audit", str(file)]) == status
    assert f"a name in {section} has 256 characters" in capsys.readouterr().err


def test_aliases_that_multiply_are_refused():
    """A few hundred bytes stand for more values than there is memory for."""
    with pytest.raises(UnreadableError, match="aliases"):
        yaml_document.documents(Path("t"), NESTED)


def test_variables_that_double_are_not_written_out():
    """Linux takes no variable of more than 128 KiB; sixty that double each other have 2^60."""
    doubled = "".join(f"export A{n}=$A{n - 1}$A{n - 1}\n" for n in range(1, 60))
    found = assignments(f"export A0=xxxxxxxxxx\n{doubled}")
    assert len(found) == 60
    assert all(len(each.value or "") <= LONGEST_VALUE for each in found)
    named = dockerfile.assignments("FROM x\nENV A0=xxxxxxxxxx\n" + doubled.replace("export", "ENV"))
    assert all(len(each.value or "") <= LONGEST_VALUE for each in named)


LINES = 5_000
GROWING = {
    "heredocs.sh": "".join(f"cat <<E{n}\n" for n in range(LINES)),
    "nested.sh": "".join(f"cat <<E{n}\n" for n in range(LINES))
    + "".join(f"E{n}\n" for n in reversed(range(LINES))),
    "settings.sh": "".join(
        f"cat >> /etc/nccl.conf <<E{n}\nNCCL_PROTO=simple\nE{n}\n" for n in range(LINES)
    ),
    "quotes.sh": "echo 'a\necho \"b\n" * LINES,
    "unset.sh": "export A=1\nunset B\n" * LINES,
    "line.sh": f"export A={'x' * 400_000}\n",
    "open.sh": "echo " + "$(" * 50_000,
    "closed.sh": "echo " + "$(" * 30_000 + ")" * 30_000,
    "continued.sh": "echo a \\\n" * LINES,
    "defaults.sh": "echo " + "${a-" * 40_000,
    "env.sh": "env " * 40_000 + "x",
    "blank": "\n" * 30_000 + "x: 1",
    "stages.dockerfile": "".join(f"FROM s{n - 1} AS s{n}\nENV A{n}=b\n" for n in range(2000)),
    "words.dockerfile": f"FROM x\nENV A=1 {'a' * 100_000}\n",
    "vpcs.json": json.dumps(
        {"Resources": {f"V{n}": {"Type": "AWS::EC2::VPC"} for n in range(LINES)}}
    ),
    "references.json": json.dumps(
        {"Resources": {"A": {"Type": "AWS::EC2::Instance", "Properties": {
            "UserData": "{{resolve:ssm:a}}" + "{{resolve:" * 90_000,
            "ImageId": "/" * 100_000 + "latest"}}}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GROWING)
def test_time_grows_with_the_size_alone(name, tmp_path, capsys):
    """Each took minutes or for ever; a command that takes too long says so with 2."""
    file = tmp_path / name
    file.write_text(("#!/bin/bash\n" if name.endswith(".sh") else "") + GROWING[name])
    status = main(["audit", str(file)])
    wanted = (COULD_NOT_RUN,) if name == "blank" else (ALL_WELL, SOME_FAIL)
    assert status in wanted, capsys.readouterr().err


@pytest.mark.parametrize("script", ["é", "\udc80", "#!/bin/bash\necho é\n", "YQ==", "/w=="])
def test_user_data_that_nobody_encoded_is_read_as_it_is(script, tmp_path, capsys):
    """EC2 takes base64; what is none of it is a mistake that other rules tell of."""
    file = tmp_path / "t.json"
    node = {"InstanceType": "p4d.24xlarge", "UserData": script}
    template = {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": node}}
    file.write_text(json.dumps({"Resources": {"A": template}}))
    assert main(["audit", str(file)]) in (ALL_WELL, SOME_FAIL), capsys.readouterr().err


def test_a_pattern_of_iam_never_goes_back():
    """Thirty stars over a text that nearly fits."""
    assert not compiled("*a" * 30 + "b").fullmatch("a" * 5000)
    assert compiled("s3:Get*t?on*").fullmatch("s3:GetBucketLocation")
    assert compiled("a*b*c").fullmatch("abbc")
    assert not compiled("a*b*c").fullmatch("acb")


@pytest.mark.parametrize(
    ("limit", "words"), [("SECONDS", "processor time"), ("MEGABYTES", "memory")]
)
def test_what_takes_too_much_ends_in_one_line(limit, words, tmp_path):
    """The backstop, for files that nobody has thought of.

    In a process of its own: one that ran other tests has memory to spare already.
    """
    file = tmp_path / "k.yaml"
    request = "TrainingJobName: a\nHyperParameters: {a: b, c: d}\n---\n"
    file.write_text(request * 4_000)
    program = f"from ultracluster import cli, untrusted_file; untrusted_file.{limit} = 0.05\n"
    program += f"raise SystemExit(cli.main(['audit', {str(file)!r}]))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert words in line
    assert "ULTRACLUSTER_EFFORT=10" in line


def test_a_defect_is_one_line_with_a_status_of_its_own(tmp_path, capsys, monkeypatch):
    """It is not taken for a finding."""

    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("ultracluster.input_files.Sources", broken)
    assert main(["audit", str(tmp_path)]) == UNEXPECTED
    (line,) = capsys.readouterr().err.splitlines()
    assert "please report it" in line


@pytest.mark.parametrize("value", ["inf", "nan", "1e999", "-inf", "9" * 5000])
def test_a_log_of_nccl_tests_has_numbers_that_are_some(value, tmp_path, capsys):
    """NCCL prints inf where a clock stood still; a comparison with it holds by chance."""
    file = tmp_path / "nccl.log"
    for sample in (
        LOG.replace("107374", value),
        LOG.replace("10.00", value),
        LOG.replace("1073741824", value),
    ):
        file.write_text(sample)
        refused(COMMANDS[3], file, capsys, tmp_path)


def assembly(folder: Path, *directories: str) -> Path:
    """Write an assembly of some stages, and return its directory."""
    folder.mkdir(exist_ok=True)
    stage = {"type": "cdk:cloud-assembly"}
    artifacts = {
        f"s{n}": {**stage, "properties": {"directoryName": d}} for n, d in enumerate(directories)
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return folder


def test_an_assembly_that_is_in_itself_is_refused(tmp_path, capsys):
    """Two such stages would be read a million times, and each time would allow more."""
    for folder in (assembly(tmp_path / "a", ".", "."), assembly(tmp_path / "b", "../b", "../a")):
        assert "twice" in refused(("audit", "FILE"), folder, capsys, tmp_path)


def test_a_file_allows_its_time_once(tmp_path, monkeypatch):
    """However often it is read."""
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("x")
    other.write_text("y")
    monkeypatch.setattr(untrusted_file, "SECONDS", 0.1)
    with untrusted_file.bounded("audit"):
        for path in (file, other, *[file] * 100):
            text_of(path)
        with pytest.raises(untrusted_file.EffortError, match=r"0\.2 s"):
            sum(1 for _ in range(10**9))


@pytest.mark.parametrize("url", ["a\0b", "loop/x", "x" * 5000])
def test_a_nested_template_whose_path_is_none(url, tmp_path, capsys):
    """It is a template that was not given."""
    (tmp_path / "loop").symlink_to("loop")
    file = tmp_path / "t.json"
    stack = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    file.write_text(json.dumps({"Resources": {"A": stack}}))
    assert main(["audit", str(file)]) == ALL_WELL, capsys.readouterr().err


def test_one_resource_for_a_thousand(tmp_path, capsys):
    """What is gone is compared with all that came, and each with the names of all others."""
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    bucket = "AWS::S3::Bucket"
    before.write_text(json.dumps({"Resources": {"Old": {"Type": bucket}}}))
    tags = [{"Type": bucket, "Properties": {"BucketName": {"Ref": f"B{n}"}}} for n in range(1500)]
    after.write_text(json.dumps({"Resources": {f"B{n}": each for n, each in enumerate(tags)}}))
    words = ["review", str(after), "--baseline", str(before), "--format", "json"]
    assert main([*words, "--output", str(tmp_path)]) == ALL_WELL, capsys.readouterr().err


def test_a_folder_that_is_gone_or_is_no_folder_is_one_line(tmp_path, monkeypatch, capsys):
    """A link to itself; and the folder of a terminal that somebody removed in another one."""
    loop, gone = tmp_path / "loop", tmp_path / "gone"
    loop.symlink_to(loop)
    refused(("init", "FILE"), loop, capsys, tmp_path)
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    refused(("check",), loop, capsys, tmp_path)


def test_a_delivery_of_no_stack_is_no_plan(tmp_path, capsys):
    """Nothing would be executed, and all would be called well."""
    file = tmp_path / "delivery.json"
    file.write_text('{"environment": "dev", "account": "1", "region": "us-east-1", "stacks": []}')
    assert "stacks" in refused(("deliver", "execute", "FILE"), file, capsys, tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "objects", "bucket": "data", "prefix": ""},
        {"kind": "shell", "command": "", "instance": ""},
        {"kind": "queue", "name": ""},
    ],
)
def test_a_journal_names_what_was_made(entry, tmp_path):
    """An empty prefix would take away all that is in a bucket."""
    file = tmp_path / "journal.json"
    file.write_text(json.dumps([entry]))
    with pytest.raises(UsageError, match="not written by this"):
        Journal(file)


@pytest.mark.parametrize("line", ["[1]", "x", '{"a": 1}', ""])
def test_a_record_of_a_campaign_is_no_other_file(line, tmp_path):
    """It is written anew at the beginning: another file would be lost."""
    file = tmp_path / "environment.py"
    file.write_text(f"{line}\nkept")
    with pytest.raises(UnreadableError, match="not a record of"):
        Record(file, "1")
    assert file.read_text() == f"{line}\nkept"


@pytest.mark.parametrize(
    "words",
    [
        ("rehearse", "dev", "--campaign", "--jobs", "0"),
        ("rehearse", "dev", "--campaign", "--jobs", "-3"),
        ("rehearse", "dev", "--campaign", "--jobs", "9" * 400),
        ("train", "logs", "dev", "--minutes", "1e300"),
        ("train", "logs", "dev", "--minutes", "nan"),
        ("accept", "dev", "--patience", "nan"),
        ("accept", "dev", "--patience", "-1"),
        ("accept", "dev", "--patience", "1e400"),
    ],
    ids=" ".join,
)
def test_a_number_that_cannot_be_is_one_line(words, capsys):
    """Python would fail at it later, in the middle of something."""
    assert main(words) == COULD_NOT_RUN
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {words[-2]}")


def test_an_unexpected_error_is_short(tmp_path, capsys, monkeypatch):
    """It may quote all of a file."""

    def broken(*_: object) -> None:
        raise KeyError("x" * 10**6)

    monkeypatch.setattr("ultracluster.input_files.Sources", broken)
    assert main(["audit", str(tmp_path)]) == UNEXPECTED
    assert len(capsys.readouterr().err) < 1000


def of_groups(count: int, port: int) -> dict[str, object]:
    """Return rules of one group from everywhere, and of two groups for each other."""
    made: dict[str, object] = {f"G{n}": {"Type": "AWS::EC2::SecurityGroup"} for n in range(3)}
    peers = (("0", {"CidrIp": "0.0.0.0/0"}), ("1", {"SourceSecurityGroupId": {"Ref": "G2"}}))
    for number in range(count):
        first = 2 * number % 60_000 + port
        for owner, peer in peers:
            rule = {"GroupId": {"Ref": f"G{owner}"}, "IpProtocol": "tcp", **peer}
            made[f"R{owner}x{number}"] = {
                "Type": "AWS::EC2::SecurityGroupIngress",
                "Properties": {**rule, "FromPort": first, "ToPort": first},
            }
    return made


def of_roles(count: int, action: int) -> dict[str, object]:
    """Return roles that assume each other in a ring, and a role with as many policies."""
    made: dict[str, object] = {}
    for number in range(count):
        principal = {"AWS": {"Fn::GetAtt": [f"Role{(number + 1) % count}", "Arn"]}}
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        made[f"Role{number}"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}},
        }
        allow = {"Effect": "Allow", "Resource": f"arn:aws:s3:::b{number}/*"}
        allow["Action"] = f"s3:{('Get', 'Put')[action]}Object"
        made[f"Policy{number}"] = {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": f"p{number}",
                "Roles": [{"Ref": "Role0"}],
                "PolicyDocument": {"Statement": [allow]},
            },
        }
    return made


@pytest.mark.parametrize(("shape", "count"), [(of_groups, 900), (of_roles, 500)])
def test_a_review_grows_with_the_size_alone(shape, count, tmp_path, capsys):
    """Each rule was compared with all of its group, each policy with all of its role."""
    files = [tmp_path / name for name in ("before.json", "after.json")]
    for number, file in enumerate(files):
        file.write_text(json.dumps({"Resources": shape(count, number)}))
    words = ["review", str(files[1]), "--baseline", str(files[0]), "--format", "json"]
    assert main([*words, "--output", str(tmp_path)]) == ALL_WELL, capsys.readouterr().err


def test_a_long_chain_of_roles_is_told_in_part(tmp_path):
    """Of a hundred roles in a ring each would list a hundred chains of up to a hundred."""
    file = tmp_path / "t.json"
    file.write_text(json.dumps({"Resources": of_roles(12, 0)}))
    main(["review", str(file), "--format", "json", "--output", str(tmp_path), "--baseline", "none"])
    found = json.loads((tmp_path / "t.json.json").read_text())["escalations"]
    own = [way["says"] for way in found if way["resource"] == "Role5"]
    assert len(own) == 9
    assert max(way.count("the role") for way in own) == 8
    assert "assume still more roles by these" in own


@pytest.mark.parametrize("amount", ["-1200", "1e308", "1e15", '"-5"'])
def test_an_amount_that_cannot_be_has_no_price(amount, tmp_path, capsys):
    """A review calculates with what a template says."""
    lustre = '{"FileSystemType": "LUSTRE", "StorageCapacity": %s, "LustreConfiguration": {}}'
    reserved = '{"InstanceType": "p4d.24xlarge", "InstanceCount": %s}'
    file = tmp_path / "t.json"
    text = '{"Resources": {"A": {"Type": "AWS::FSx::FileSystem", "Properties": %s}, "B": {"Type": '
    text += '"AWS::EC2::CapacityReservation", "Properties": %s}}}'
    file.write_text(text % (lustre % amount, reserved % amount))
    words = ["review", str(file), "--region", "us-east-1", "--baseline", "none", "--output"]
    assert main([*words, str(tmp_path / "o")]) == ALL_WELL, capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "cost"])
def test_as_many_mistakes_as_lines_are_told_in_part(command, tmp_path, capsys):
    """Each field that an environment does not have is one."""
    file = tmp_path / "environment.yaml"
    file.write_text("".join(f"field{n}: 1\n" for n in range(2_000)))
    assert main([command, str(file)]) == SOME_FAIL
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 201
    assert lines[-1].endswith("more")
    assert main([command, "x" * 5_000 + ".yaml"]) == COULD_NOT_RUN
    assert len(capsys.readouterr().err) < 3_000
