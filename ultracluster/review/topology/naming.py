"""What a resource is called for a reader: its construct, or else its logical id."""

from collections.abc import Mapping, Sequence
from typing import Final

from ultracluster.templates.reading import Key
from ultracluster.templates.resolved import Place, ResolvedResource

LAST: Final = frozenset({"Resource", "Default", "Subnet"})
"""Children of constructs that say no more than their parents."""


class Names:
    """Short names of all resources of a variant.

    A construct path begins with what all resources of a stack share; that much is left out.
    """

    def __init__(self, resources: Sequence[ResolvedResource]) -> None:
        paths: dict[str, list[list[str]]] = {}
        for resource in resources:
            if resource.place.construct_path:
                parts = resource.place.construct_path.split("/")
                paths.setdefault(resource.place.stack, []).append(parts)
        self._shared = {stack: _shared(found) for stack, found in paths.items()}
        self._places: Mapping[Key, Place] = {
            (r.place.stack, r.place.logical_id): r.place for r in resources
        }

    def of(self, place: Place) -> str:
        """Return the name of a resource."""
        if not place.construct_path:
            return place.logical_id
        parts = place.construct_path.split("/")[self._shared.get(place.stack, 0) :]
        while len(parts) > 1 and parts[-1] in LAST:
            parts.pop()
        # A construct below one of its own name says it twice.
        said = [part for i, part in enumerate(parts) if i == 0 or part != parts[i - 1]]
        return "/".join(said) or place.logical_id

    def key(self, key: Key) -> str:
        """Return the name of what a reference leads to."""
        if isinstance(key, str):
            return key
        place = self._places.get(key)
        if place is not None:
            return self.of(place)
        owner = self._places.get((key[0], key[-1].split(".")[0]))
        if owner is not None:
            return f"{self.of(owner)}.{key[-1].partition('.')[2]}"
        return key[-1]

    def place(self, key: Key) -> Place | None:
        """Return where something is written, None where it is not in the templates."""
        return self._places.get(key)


def _shared(paths: Sequence[Sequence[str]]) -> int:
    """Return how many leading parts all paths share, of which each keeps one at least."""
    least = min(len(path) for path in paths)
    if len(paths) == 1:
        return max(least - 2, 0)
    count = 0
    while count < least - 1 and len({path[count] for path in paths}) == 1:
        count += 1
    return count
