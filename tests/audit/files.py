"""Files of tests, and what the audit says of them."""

from ultracluster.audit.judgement import judged
from ultracluster.input_files import Sources


def in_file(path, text):
    """Write a text to a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def audited(folder, text, *, name="it.yaml", region="us-east-1"):
    """Return the audit of one file."""
    sources = Sources([str(in_file(folder / name, text))])
    assert sources.errors == []
    return judged(sources, {}, region, "error")
