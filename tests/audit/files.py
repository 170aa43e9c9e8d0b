"""Files of tests, and what the audit says of them."""

from ultracluster.audit.report import judged
from ultracluster.input_files import Sources


def in_file(path, text):
    """Write a text to a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def audited(folder, text, *, name="it.yaml", region="us-east-1"):
    """Return the audit of one file."""
    return audit_of(in_file(folder / name, text), region=region)


def audit_of(*paths, region="us-east-1", **parameters):
    """Return the audit of files that are there, with values of parameters."""
    sources = Sources(map(str, paths))
    assert sources.errors == []
    return judged(sources, parameters, region, "error")
