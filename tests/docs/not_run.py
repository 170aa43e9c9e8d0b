"""Command lines of pages that no test runs, and why none can."""

from typing import Final

NOT_RUN: Final = {
}
"""By a regular expression that is found in the line. A row that excuses nothing fails a test."""
