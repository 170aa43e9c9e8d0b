"""What parts of the model have in common that are one resource of the templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ultracluster.templates.resolved import Place, ResolvedResource


@dataclass(frozen=True)
class ModelResource:
    """One resource of the templates."""

    resource: ResolvedResource

    @property
    def place(self) -> Place:
        return self.resource.place

    @property
    def key(self) -> tuple[str, str]:
        """What references to it lead to."""
        return self.place.key

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.resource.properties
