"""What a command line names: files, cloud assemblies, stacks with their names."""

import json

import pytest

from tests.audit.files import in_file
from ultracluster.input_files import Sources, parameter_errors
from ultracluster.templates.resolved import Template


def assembly(directory, artifacts):
    """Write a cloud assembly: a manifest, and an empty template for each stack."""
    directory.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, (kind, properties, environment) in artifacts.items():
        made[name] = {"type": kind, "properties": properties, "environment": environment}
        if "templateFile" in properties:
            in_file(directory / properties["templateFile"], '{"Resources": {"A": {}}}')
    in_file(directory / "manifest.json", json.dumps({"version": "48.0.0", "artifacts": made}))


STACK, STAGE = "aws:cloudformation:stack", "cdk:cloud-assembly"


def test_an_assembly_gives_every_stack_of_every_stage(tmp_path):
    """Name, account and Region are what the manifest says, and unknown where it does not."""
    assembly(
        tmp_path,
        {
            "Tree": ("cdk:tree", {"file": "tree.json"}, None),
            "Alone": (
                STACK,
                {"templateFile": "alone.json"},
                "aws://unknown-account/unknown-region",
            ),
            "assembly-dev": (STAGE, {"directoryName": "assembly-dev"}, None),
        },
    )
    assembly(
        tmp_path / "assembly-dev",
        {
            "devNet": (
                STACK,
                {
                    "templateFile": "net.json",
                    "stackName": "dev-Net",
                    "terminationProtection": True,
                },
                "aws://123456789012/eu-west-1",
            ),
        },
    )
    sources = Sources([str(tmp_path)])

    assert sources.errors == []
    assert sources.templates == [
        Template(
            "Alone",
            {"Resources": {"A": {}}},
            str(tmp_path / "alone.json"),
            {"A": 1},
            stack_name="Alone",
            size=(tmp_path / "alone.json").stat().st_size,
            protected=False,
        ),
        Template(
            "devNet",
            {"Resources": {"A": {}}},
            str(tmp_path / "assembly-dev" / "net.json"),
            {"A": 1},
            region="eu-west-1",
            account="123456789012",
            stack_name="dev-Net",
            size=(tmp_path / "assembly-dev" / "net.json").stat().st_size,
            protected=True,
        ),
    ]


def test_nested_stacks_of_an_assembly_are_read_with_it(tmp_path):
    """CDK names the file of a nested stack in metadata; it is no artifact of its own."""
    assembly(tmp_path, {"Outer": (STACK, {"templateFile": "outer.json"}, None)})
    inner = {"Resources": {"Inner2": nesting("deep.nested.template.json")}}
    in_file(
        tmp_path / "outer.json",
        json.dumps({"Resources": {"Inner": nesting("in.nested.template.json")}}),
    )
    in_file(tmp_path / "in.nested.template.json", json.dumps(inner))
    in_file(tmp_path / "deep.nested.template.json", '{"Resources": {}}')
    sources = Sources([str(tmp_path)])

    assert [(t.name, t.nested_in) for t in sources.templates] == [
        ("Outer", None),
        ("in", ("Outer", "Inner")),
        ("deep", ("in", "Inner2")),
    ]
    assert [len(group.templates) for group in sources.resolved({}, None, every_value=False)] == [3]


def nesting(file):
    return {"Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": file}}


@pytest.mark.parametrize(
    ("manifest", "because"),
    [
        (
            None,
            "not a cloud assembly, because it has no manifest.json; name template files instead",
        ),
        ("[]", "not the manifest of a cloud assembly"),
        ("{", "not valid JSON"),
        ('{"artifacts": []}', "not the manifest of a cloud assembly"),
        ('{"artifacts": {"A": 1}}', "the cloud assembly holds no stack"),
        (
            json.dumps({"artifacts": {"A": {"type": STAGE, "properties": {"directoryName": "."}}}}),
            "the assembly holds it twice; it may be there once",
        ),
        (
            json.dumps(
                {"artifacts": {"A": {"type": STACK, "properties": {"templateFile": "gone.json"}}}}
            ),
            "No such file or directory",
        ),
    ],
)
def test_a_directory_that_is_no_assembly_says_why(tmp_path, manifest, because):
    """Somebody named the wrong directory, or synthesis was cut short."""
    if manifest is not None:
        in_file(tmp_path / "manifest.json", manifest)
    (error,) = Sources([str(tmp_path)]).errors
    assert because in error


def test_files_that_nest_each_other_by_path_belong_together(tmp_path):
    """As `aws cloudformation package` reads them."""
    outer = "Resources:\n  S:\n    Type: AWS::CloudFormation::Stack\n    Properties: "
    in_file(tmp_path / "outer.yaml", outer + "{TemplateURL: ./inner.yaml}")
    in_file(tmp_path / "remote.yaml", outer + "{TemplateURL: 'https://s3/inner.yaml'}")
    inner = in_file(tmp_path / "inner.yaml", "Resources: {}")
    names = [str(tmp_path / name) for name in ("outer.yaml", "remote.yaml")]
    sources = Sources([*names, str(inner)])

    assert [t.nested_in for t in sources.templates] == [None, None, ("outer", "S")]
    # A file that makes two stacks is given two sets of parameters: it stands alone.
    again = in_file(tmp_path / "again.yaml", outer + "{TemplateURL: inner.yaml}")
    assert Sources([names[0], str(again), str(inner)]).templates[2].nested_in is None


@pytest.mark.parametrize(
    "url",
    [
        "'https://s3/x/inner.yaml'",
        "{'Fn::Sub': 'https://${Bucket}.s3.amazonaws.com/x/inner.yaml'}",
        "{'Fn::Join': ['/', ['https://s3', {Ref: Bucket}, inner.yaml]]}",
    ],
)
def test_a_file_that_is_nested_from_s3_is_known_by_its_name(tmp_path, url):
    """AWS's own samples nest stacks by the URL of a bucket that they were uploaded to."""
    outer = "Resources:\n  S:\n    Type: AWS::CloudFormation::Stack\n    Properties: "
    one = in_file(tmp_path / "outer.yaml", f"{outer}{{TemplateURL: {url}}}")
    two = in_file(tmp_path / "inner.yaml", "Resources: {}")
    assert [t.nested_in for t in Sources([str(one), str(two)]).templates] == [None, ("outer", "S")]


def test_names_are_unique_and_may_be_told(tmp_path):
    """Two files called main are told apart; STACK=FILE says what a stack is called."""
    (tmp_path / "b").mkdir()
    one = in_file(tmp_path / "main.yaml", "Resources: {}")
    two = in_file(tmp_path / "b" / "main.yaml", "Resources: {}")
    sources = Sources([str(one), str(two), str(two), f"net={one}"])

    assert [(t.name, t.stack_name) for t in sources.templates] == [
        ("main", None),
        (str(two), None),
        (f"{two} (2)", None),
        ("net", "net"),
    ]


def test_every_file_that_cannot_be_read_is_named(tmp_path):
    """One run shows all that is wrong."""
    good = in_file(tmp_path / "good.yaml", "Resources: {}")
    sources = Sources([str(tmp_path / "a.json"), str(good), str(tmp_path / "b.json")])

    assert len(sources.errors) == 2
    assert len(sources.templates) == 1


def test_values_that_no_parameter_takes_are_errors():
    """A misspelt name would silently leave the default."""
    body = {
        "Parameters": {
            "Env": {"Type": "String", "AllowedValues": ["dev", True]},
            "Any": {"Type": "String"},
            "Many": {"Type": "CommaDelimitedList", "AllowedValues": ["a"]},
        },
        "Resources": {},
    }
    given_values = {"Enw": "dev", "Env": "prod", "t:Any": "x", "u:Any": "x", "Many": "a,a"}

    assert list(parameter_errors(given_values, [Template("t", body)])) == [
        "--parameter Enw: no given template has a parameter of that name",
        "--parameter Env=prod: it takes dev, true",
        "--parameter u:Any: no given template has a parameter of that name",
    ]
