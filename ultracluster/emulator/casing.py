"""CloudFormation names members `LikeThis`; the newer JSON APIs name the same ones `likeThis`."""

from collections.abc import Mapping
from typing import Any, Final

TAGS: Final = ("Tags", "ResourceTags")


def camel(value: Any) -> Any:
    """Return a value with the first letter of every member name in lower case."""
    if isinstance(value, Mapping):
        return {
            key[:1].lower() + key[1:]: item if key in TAGS else camel(item)
            for key, item in value.items()
        }
    return [camel(item) for item in value] if isinstance(value, list) else value
