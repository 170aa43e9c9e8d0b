"""Templates that are too large as a whole."""

import pytest

from tests.audit.files import audited

BUCKET = "Resources: {Bucket: {Type: AWS::S3::Bucket}}\n"


def many(section, of):
    """Return a template with a number of entries in a section."""
    entries = "".join(f"  E{number}: {of}\n" for number in range(201))
    return f"{BUCKET}{section}:\n{entries}"


@pytest.mark.parametrize(
    ("section", "of"),
    [
        ("Parameters", "{Type: String, Default: x}"),
        ("Outputs", "{Value: x}"),
        ("Mappings", "{a: {b: c}}"),
    ],
)
def test_a_section_of_more_than_200_is_refused(tmp_path, section, of):
    """And one of 200 is not."""
    text = many(section, of)

    (finding,) = audited(tmp_path, text).findings
    assert (finding.rule, finding.message) == ("SAFETY-5", f"201 {section} in it")
    assert audited(tmp_path, text.replace(f"  E0: {of}\n", "")).findings == []


def test_a_file_of_more_than_a_megabyte_is_refused(tmp_path):
    """CloudFormation counts the bytes of the file, comments too."""
    fill = "#" * (1024 * 1024 - len(BUCKET) - 1)

    assert audited(tmp_path, f"{BUCKET}{fill}\n").findings == []
    (finding,) = audited(tmp_path, f"{BUCKET}{fill}#\n").findings
    assert (finding.rule, finding.message) == ("SAFETY-5", "1,048,577 bytes in it")
