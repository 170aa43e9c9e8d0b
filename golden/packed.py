"""Compress the node check as user data has it, where it has changed.

python -m golden.packed
"""

import base64
import gzip
from pathlib import Path
from typing import Final

from constructs_lib.slurm_boot import bare

BOOT: Final = Path(__file__).parents[1] / "constructs_lib" / "boot"


def unpacked(file: Path) -> str:
    """Return what a compressed file holds; nothing where there is none."""
    if not file.is_file():
        return ""
    return gzip.decompress(base64.b64decode(file.read_text())).decode()


def pack(file: Path, content: str) -> None:
    """Write a compressed file, unless it holds this already: another zlib gives other bytes."""
    if unpacked(file) != content:
        file.write_text(base64.b64encode(gzip.compress(content.encode(), mtime=0)).decode() + "\n")


if __name__ == "__main__":
    pack(BOOT / "prolog.packed", bare(BOOT / "prolog.sh"))
