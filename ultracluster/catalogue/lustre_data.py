"""What FSx for Lustre sells.

`lustre.json` is made of botocore's and the registry's property documentation, and of the FSx for
Lustre User Guide (read 2026-11-23).
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

METADATA: Final = "LustreConfiguration.MetadataConfiguration"


@cache
def data() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        files("ultracluster.catalogue").joinpath("lustre.json").read_text()
    )
    return loaded


def texts(values: Sequence[int]) -> list[str]:
    return [str(value) for value in values]
