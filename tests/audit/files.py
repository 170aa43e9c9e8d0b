"""Files of tests."""


def in_file(path, text):
    """Write a text to a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path
