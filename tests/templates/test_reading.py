"""Files of every kind: read with line numbers, or refused in one line."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.files import in_file
from ultracluster.templates import file_reading as document
from ultracluster.templates import yaml_document
from ultracluster.templates.file_reading import read
from ultracluster.untrusted_file import UnreadableError

EVERY_TAG = """\
AWSTemplateFormatVersion: 2010-09-09
Conditions:
  C: !And [!Condition A, !Not [!Equals [!Ref P, x]], !Or [!Condition A, !Condition B]]
Resources:
  # A comment above the first resource.
  First:
    Type: T
    Properties:
      GetAtt: [!GetAtt A.B.C, !GetAtt [A, B]]
      Sub: [!Sub "${A}", !Sub ["${B}", {B: !Ref C}]]
      Join: !Join ["", [a, !GetAZs ""]]
      Select: !Select [0, !Split [",", !ImportValue e]]
      Map: !FindInMap [M, !Ref "AWS::Region", k]
      If: !If [C, !Ref "AWS::NoValue", !Base64 text]
      Cidr: !Cidr [10.0.0.0/16, 2, 8]
      Other: [!Length [1], !ToJsonString {a: 1}, !Transform {Name: X}]
      Long: {"Fn::Sub": "${X}"}
      Script: !Sub |
        #!/bin/bash
        echo ${X}
  "Second":
    Type: T
"""


def test_every_short_form_is_its_long_form(tmp_path):
    """From here on JSON and YAML are the same."""
    document = read(in_file(tmp_path / "t.yaml", EVERY_TAG))
    found = document.body["Resources"]["First"]["Properties"]

    assert document.body["AWSTemplateFormatVersion"] == "2010-09-09"
    assert document.body["Conditions"]["C"] == {
        "Fn::And": [
            {"Condition": "A"},
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "P"}, "x"]}]},
            {"Fn::Or": [{"Condition": "A"}, {"Condition": "B"}]},
        ]
    }
    assert found == {
        "GetAtt": [{"Fn::GetAtt": ["A", "B.C"]}, {"Fn::GetAtt": ["A", "B"]}],
        "Sub": [{"Fn::Sub": "${A}"}, {"Fn::Sub": ["${B}", {"B": {"Ref": "C"}}]}],
        "Join": {"Fn::Join": ["", ["a", {"Fn::GetAZs": ""}]]},
        "Select": {"Fn::Select": [0, {"Fn::Split": [",", {"Fn::ImportValue": "e"}]}]},
        "Map": {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "k"]},
        "If": {"Fn::If": ["C", {"Ref": "AWS::NoValue"}, {"Fn::Base64": "text"}]},
        "Cidr": {"Fn::Cidr": ["10.0.0.0/16", 2, 8]},
        "Other": [
            {"Fn::Length": [1]},
            {"Fn::ToJsonString": {"a": 1}},
            {"Fn::Transform": {"Name": "X"}},
        ],
        "Long": {"Fn::Sub": "${X}"},
        "Script": {"Fn::Sub": "#!/bin/bash\necho ${X}\n"},
    }
    assert document.lines == {"First": 6, "Second": 21}
    assert document.imports


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1200", 1200),
        ("-1", -1),
        ("012345678901", "012345678901"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("22:22", "22:22"),
        ("1.5", 1.5),
        ("1.10", "1.10"),
        (".inf", ".inf"),
        ("2012-10-17", "2012-10-17"),
        ("true", True),
        ("No", False),
        ("on", True),
        ("~", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!binary aGk=", "aGk="),
        ("{1: a, true: b, 012: c}", {"1": "a", "true": "b", "012": "c"}),
        ("{? [a] : b}", {"line 1": "b"}),
        ("{<<: {a: 1, b: 1}, b: 2}", {"a": 1, "b": 2}),
        ("{<<: [{a: 1}, {a: 2, c: 3}]}", {"a": 1, "c": 3}),
        ("[&x {a: 1}, *x]", [{"a": 1}, {"a": 1}]),
    ],
)
def test_scalars_are_what_cloudformation_takes(written, expected):
    """An account of twelve digits is no number, and a port mapping is no count of seconds."""
    assert yaml_document.parse(Path("t"), written).body == expected


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**18) + 1, 10**18 - 1),
        st.text(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@settings(max_examples=60)
@given(
    st.dictionaries(st.text(), values, max_size=3),
    st.dictionaries(st.text(), values, max_size=4),
    st.sampled_from([None, 0, 1, "\t"]),
)
def test_json_is_read_as_python_reads_it_and_with_lines(sections, resources, indent):
    """Each line is where the name stands."""
    body = {**sections, "Resources": resources}
    text = json.dumps(body, indent=indent, ensure_ascii=False)
    found = document.parsed_json(Path("t"), text)

    assert found.body == body
    if indent is not None:
        lines = text.split("\n")
        for logical_id, line in found.lines.items():
            assert lines[line - 1].strip().startswith(json.dumps(logical_id, ensure_ascii=False))


def test_lines_count_from_the_first_line_of_the_file(tmp_path):
    """An editor jumps to it; a name that is used elsewhere first does not mislead."""
    text = '\n{"Outputs": {"A": {}},\n"Resources": {\n\n"A": {"B": {"C": 1}},\n"B": {}}\n}\n'
    assert read(in_file(tmp_path / "t.json", text)).lines == {"A": 5, "B": 6}


@pytest.mark.parametrize(
    ("name", "text", "because"),
    [
        ("t.json", '{"Resources": {"A": {}', ":1: not valid JSON: Expecting ',' delimiter"),
        ("t.json", '{"Resources": {}\n "A": 1}', ":2: not valid JSON: Expecting ',' delimiter"),
        ("t.json", '{"Resources": {}} x', ":1: not valid JSON: Extra data (column 19)"),
        ("t.json", '{"Resources" {}}', ":1: not valid JSON: Expecting ':' delimiter"),
        ("t.json", "{Resources: {}}", ":1: not valid JSON: Expecting property name"),
        ("t.json", '{"Resources": {"A": 1,}}', ":1: not valid JSON: Expecting property name"),
        ("t.json", '{"A": ' + "[" * 500 + "]" * 500 + "}", ": its nesting is too deep"),
        ("t.json", '{"A": ' + "[" * 5000 + "]" * 5000 + "}", ": its nesting is too deep"),
        ("t.json", "{}", ": not a CloudFormation template: it has no Resources"),
        ("t.json", '{"Resources": []}', ": not a CloudFormation template: it has no Resources"),
        ("t.json", "[1]", ": not a CloudFormation template, but a list"),
        ("t.json", "", ": not a CloudFormation template, but empty"),
        ("t.yaml", "a: [1", ":1: not valid YAML: did not find expected ',' or ']'"),
        ("t.yaml", "a: 1\n  b: 2", ":2: not valid YAML: mapping values are not allowed"),
        ("t.yaml", "a: *x", ":1: not valid YAML: found undefined alias"),
        ("t.yaml", "a: 1\n---\nb: 2", ":2: not valid YAML: but found another document"),
        ("t.yaml", "a: \x00", ": not valid YAML: "),
        ("t.yaml", "some words", ": not a CloudFormation template, but a single value"),
        ("t.yaml", "a: &x [*x]", ": its nesting is too deep"),
        ("t.yaml", "[" * 1_000 + "]" * 1_000, ": its nesting is too deep"),
        ("t.yaml", "[" * 200_000, ": its nesting is too deep"),
        ("t.yaml", "a:\n" + "- " * 50_000, ": its nesting is too deep"),
    ],
)
def test_a_file_that_is_no_template_says_why_in_one_line(tmp_path, name, text, because):
    """The file, the line and what was expected: enough to mend it."""
    path = in_file(tmp_path / name, text)
    with pytest.raises(UnreadableError) as raised:
        read(path)

    assert str(raised.value).startswith(f"{path}{because}")
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read_say_why(tmp_path):
    """Missing, binary, or a log of a gigabyte."""
    (tmp_path / "b.json").write_bytes(b'{"a": "\xff"}')
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(21_000_000)
    reasons = {
        "nowhere.json": "No such file or directory",
        "b.json": "not UTF-8 text (byte 7)",
        "large.json": "it has 21 MB; a template has 1 at most",
    }
    for name, reason in reasons.items():
        with pytest.raises(UnreadableError) as raised:
            read(tmp_path / name)
        assert str(raised.value) == f"{tmp_path / name}: {reason}"


def test_a_mark_of_byte_order_is_no_text(tmp_path):
    """Editors on Windows write one."""
    (tmp_path / "t.json").write_bytes(b'\xef\xbb\xbf{"Resources": {}}')
    assert read(tmp_path / "t.json").body == {"Resources": {}}


def test_json_in_a_file_of_any_name_is_read_as_json(tmp_path):
    """`.template` is as common as `.json`; what is in a file decides."""
    assert read(in_file(tmp_path / "t.template", '{"Resources": {"A": {}}}')).lines == {"A": 1}
    assert read(in_file(tmp_path / "u.template", "Resources:\n  A: {}")).lines == {"A": 2}
    assert read(in_file(tmp_path / "v.yaml", '{"Resources": {"A": {}}}')).lines == {"A": 1}
