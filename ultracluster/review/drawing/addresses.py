"""How much of a subnet is taken, in words and as a bar."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ultracluster.review.drawing.blocks import Block, Item, Say, Stack
from ultracluster.review.drawing.svg import SMALL, Canvas
from ultracluster.review.known import NotKnown
from ultracluster.review.topology.networks import Subnet

BAR: Final = 7.0
SHADES: Final = ("use0", "use1", "use2", "use3")


def addresses(subnet: Subnet) -> Block:
    """Return how much of a subnet is taken."""
    return Stack([Say(address_words(subnet), "m", SMALL, lines=3), Bar(subnet)], 0)


@dataclass(frozen=True)
class Bar:
    """What takes how much of a subnet, as a bar without words."""

    subnet: Subnet

    @property
    def _total(self) -> int:
        total = self.subnet.addresses
        return total if isinstance(total, int) and total > 0 else 0

    def height(self, _: float) -> float:
        return BAR + 2 if self._total else 0

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        if not self._total:
            return
        canvas.rect(x, y, width, BAR, "bar", radius=2)
        room, across = width, x
        for number, use in enumerate(u for u in self.subnet.uses if u.count):
            own = min(width * (use.count or 0) / self._total, room)
            # What is there is seen, however little it is.
            own = min(max(own, 2.0), room)
            with canvas.group(f"{use.what}: {use.count:,}"):
                canvas.rect(across, y, own, BAR, SHADES[number % len(SHADES)], radius=0)
            across, room = across + own, room - own

    def words(self) -> Iterator[Item]:
        return iter(())


def address_words(subnet: Subnet) -> str:
    if isinstance(subnet.addresses, NotKnown):
        return f"Addresses not known: {subnet.addresses.because}"
    parts = [
        f"{use.what} {use.count:,}{' (assumed)' if use.assumed else ''}"
        for use in subnet.uses
        if use.count
    ]
    jobs = {job.service: job.each for job in subnet.jobs if job.count is None}
    named = [use.what for use in subnet.uses if use.count is None and use.what not in jobs]
    taken = f" ({', '.join(parts)})" if parts else ""
    least, most = ("at least ", "at most ") if named else ("", "")
    free = subnet.addresses - subnet.used
    verdict = f"{-free:,} too few" if free < 0 else f"{most}{free:,} free"
    said = (
        f"{least}{subnet.used:,} of {subnet.addresses:,} addresses taken at full size{taken}; "
        f"{verdict}"
    )
    for service, each in jobs.items():
        said += f"; {service} take {each} more for each instance with EFA"
    if named:
        said += f"; how many take {', '.join(dict.fromkeys(named))} is not known"
    return f"{said}."
