"""One node in detail: accelerators, network cards and the interfaces on them, and the fabric."""

from dataclasses import dataclass
from typing import Final

from ultracluster.review.drawing.ink import LARGE, LINE, SMALL, Ink
from ultracluster.review.drawing.lettering import width as width_of
from ultracluster.review.topology.model import Interface, Nodes, NotKnown, words

GPU: Final = 24.0
CARD: Final = 58.0
MOST_WIDE: Final = 8
"""Cards that are drawn with their interfaces; more of them are small squares."""
SMALL_CARD: Final = 26.0
SPACE: Final = 6.0
LOOP: Final = 40.0
COUNT: Final = 128.0
LABEL: Final = 134.0


@dataclass(frozen=True)
class NodeDetail:
    """A node, and beside it how many there are like it."""

    nodes: Nodes
    fabric: str
    """What the fabric's line says."""
    fabric_works: bool | None

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        own = self._room(width)
        return 12 + LINE + self._gpus(own) + self._cards(own) + self._bus() + 10

    def _room(self, width: float) -> float:
        return width - (COUNT if self._many else 0) - 2 * 10 - LABEL

    @property
    def _many(self) -> bool:
        return not self.nodes.alone

    def _gpus(self, width: float) -> float:
        instance = self.nodes.instance
        if instance is None or not instance.accelerator.count:
            return LINE + 4
        rows = -(-instance.accelerator.count // self._per_row(width, GPU))
        return rows * (GPU + SPACE) + 4

    def _interfaces(self) -> dict[int | None, list[Interface]]:
        """Return the interfaces by card, also the cards that have none."""
        found: dict[int | None, list[Interface]] = {}
        if self.nodes.instance is not None:
            found.update({card: [] for card in range(self.nodes.instance.network_cards.count)})
        stated = self.nodes.interfaces
        for entry in [] if isinstance(stated, NotKnown) else stated:
            card = entry.card if isinstance(entry.card, int) else None
            found.setdefault(card, []).append(entry)
        return found

    def _per_row(self, width: float, size: float) -> int:
        return max(int((width + SPACE) // (size + SPACE)), 1)

    def _cards(self, width: float) -> float:
        cards = self._interfaces()
        if isinstance(self.nodes.interfaces, NotKnown):
            return LINE + 4
        if not self.nodes.interfaces:
            return (2 if self.nodes.instance else 1) * LINE + 4
        if len(cards) <= MOST_WIDE:
            most = max(map(len, cards.values()))
            return 24 + max(min(most, 3), 1) * 18 + 4
        rows = -(-len(cards) // self._per_row(width, SMALL_CARD))
        return rows * (SMALL_CARD + SPACE) + LINE + 2

    def _bus(self) -> float:
        return 44 if self._on_fabric() else 4

    def _on_fabric(self) -> bool:
        stated = self.nodes.interfaces
        return not isinstance(stated, NotKnown) and any(e.carries_fabric for e in stated)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw the node at the left, and the count of nodes at the right."""
        total = self.height(width)
        box = width - (COUNT if self._many else 0)
        if self._many:
            for step in (12, 8, 4):
                ink.rect(x + step, y + 12 - step, box - 12, total - 12, "box node behind")
            self._count(ink, x + box, y, total)
        ink.rect(x, y + 12, box - 12, total - 12, "box node")
        at, room = x + 10, self._room(width)
        down = y + 12 + 6
        one = "the node" if self.nodes.alone else "one node in detail"
        ink.text(at, down + LINE * 0.75, one, LABEL - 8, style="m", size=SMALL)
        type_name = words(self.nodes.type_name, "type not known")
        ink.text(at + LABEL, down + LINE * 0.75, type_name, room - 12, bold=True)
        down += LINE + 6
        self._draw_gpus(ink, at, down, room - 12)
        down += self._gpus(room)
        bottoms = self._draw_cards(ink, at, down, room - 12)
        down += self._cards(room)
        if self._on_fabric():
            self._draw_bus(ink, x, at, down, box - 12, bottoms)

    def _count(self, ink: Ink, x: float, y: float, total: float) -> None:
        count = self.nodes.count
        number = "?" if isinstance(count, NotKnown) or count is None else f"×{count:,}"
        middle = x + COUNT / 2 + 4
        ink.text(
            middle, y + total / 2 + 2, number, COUNT - 12, size=LARGE, bold=True, anchor="middle"
        )
        said = "nodes at most" if isinstance(count, int) else "count not known"
        down = y + total / 2 + 20
        ink.text(middle, down, said, COUNT - 16, style="m", size=SMALL, anchor="middle")

    def _draw_gpus(self, ink: Ink, x: float, y: float, room: float) -> None:
        instance = self.nodes.instance
        if instance is None:
            ink.text(x, y + LINE * 0.75, "accelerators", LABEL - 8, style="m", size=SMALL)
            said = "not in the catalogue of accelerated types with EFA"
            if isinstance(self.nodes.type_name, NotKnown):
                said = f"not known: {self.nodes.type_name.because}"
            ink.text(x + LABEL, y + LINE * 0.75, said, room, style="m", size=SMALL)
            return
        accelerator = instance.accelerator
        one = accelerator.plural.removesuffix("s") if accelerator.count == 1 else accelerator.plural
        label = f"{accelerator.count} {one}"
        if not accelerator.count:
            ink.text(x, y + LINE * 0.75, "accelerators", LABEL - 8, style="m", size=SMALL)
            ink.text(x + LABEL, y + LINE * 0.75, "count not known", room, style="m", size=SMALL)
            return
        ink.text(x, y + 11, label, LABEL - 8, style="m", size=SMALL)
        memory = f"{accelerator.memory_mib // 1024} GiB each" if accelerator.memory_mib else ""
        if self._gpus(room) > GPU + SPACE + 4 or accelerator.count * (GPU + SPACE) > room - 150:
            memory = ""
        per_row = self._per_row(self._room_of(room), GPU)
        for number in range(accelerator.count):
            left = x + LABEL + (number % per_row) * (GPU + SPACE)
            top = y + (number // per_row) * (GPU + SPACE)
            ink.rect(left, top, GPU, GPU, "gpu", radius=2)
            ink.text(left + GPU / 2, top + 16, str(number), GPU, size=SMALL, anchor="middle")
        after = x + LABEL + min(accelerator.count, per_row) * (GPU + SPACE) + 6
        said = f"{accelerator.name}, {memory}" if memory else accelerator.name
        ink.text(after, y + 16, said, x + LABEL + room - after, style="m", size=SMALL)

    @staticmethod
    def _room_of(room: float) -> float:
        return room + 12

    def _draw_cards(self, ink: Ink, x: float, y: float, room: float) -> list[tuple[float, float]]:
        """Draw the cards; return where lines to the fabric begin."""
        cards, stated = self._interfaces(), self.nodes.interfaces
        if isinstance(stated, NotKnown):
            ink.text(x, y + LINE * 0.75, "interfaces", LABEL - 8, style="m", size=SMALL)
            said = f"not known: {stated.because}"
            ink.text(x + LABEL, y + LINE * 0.75, said, room, style="m", size=SMALL)
            return []
        instance = self.nodes.instance
        count = len(cards) if instance is None else instance.network_cards.count
        label = f"{count} network card{'' if count == 1 else 's'}"
        if not cards:
            label = "interfaces"
        ink.text(x, y + 11, label, LABEL - 8, style="m", size=SMALL)
        if instance is not None:
            speed = f"{instance.network_cards.gbps:,.0f} Gbps"
            ink.text(x, y + 11 + LINE, speed, LABEL - 8, style="m", size=SMALL)
        if not stated:
            said = "EC2 makes one ordinary interface; none is written"
            ink.text(x + LABEL, y + 11, said, room, style="m", size=SMALL)
            return []
        if len(cards) <= MOST_WIDE:
            return self._wide(ink, x + LABEL, y, room, cards)
        return self._narrow(ink, x + LABEL, y, room, cards)

    def _wide(
        self,
        ink: Ink,
        x: float,
        y: float,
        room: float,
        cards: dict[int | None, list[Interface]],
    ) -> list[tuple[float, float]]:
        own = min((room - SPACE * (len(cards) - 1)) / len(cards), 132)
        high = self._cards(room) - 4
        ends = []
        for number, (card, entries) in enumerate(cards.items()):
            left = x + number * (own + SPACE)
            ink.rect(left, y, own, high, "card", radius=3)
            name = "card not known" if card is None else f"card {card}"
            ink.text(left + 6, y + 16, name, own - 10, size=SMALL)
            shown = entries[:3] if len(entries) <= 3 else entries[:2]  # noqa: PLR2004
            for line, entry in enumerate(shown):
                top = y + 24 + line * 18
                style = "efa" if entry.carries_fabric else "ip"
                ink.rect(left + 5, top, own - 10, 15, f"chip {style}", radius=2)
                ink.text(left + 10, top + 11.5, _kind(entry), own - 18, size=SMALL)
            if len(entries) > len(shown):
                more = f"{len(entries) - len(shown)} more"
                ink.text(left + 10, y + 24 + 2 * 18 + 11.5, more, own - 18, size=SMALL)
            if not entries:
                ink.text(left + 10, y + 24 + 11.5, "nothing", own - 18, style="m", size=SMALL)
            if any(entry.carries_fabric for entry in entries):
                ends.append((left + own / 2, y + high))
        return ends

    def _narrow(
        self,
        ink: Ink,
        x: float,
        y: float,
        room: float,
        cards: dict[int | None, list[Interface]],
    ) -> list[tuple[float, float]]:
        per_row = self._per_row(self._room_of(room), SMALL_CARD)
        for number, (card, entries) in enumerate(cards.items()):
            left = x + (number % per_row) * (SMALL_CARD + SPACE)
            top = y + (number // per_row) * (SMALL_CARD + SPACE)
            fabric = any(entry.carries_fabric for entry in entries)
            plain = any(entry.addresses for entry in entries)
            style = "efa" if fabric else "ip" if plain else "none"
            with ink.group(f"card {card}: {', '.join(map(_kind, entries)) or 'nothing'}"):
                ink.rect(left, top, SMALL_CARD, SMALL_CARD, f"chip {style}", radius=3)
                said = "?" if card is None else str(card)
                ink.text(
                    left + SMALL_CARD / 2, top + 17, said, SMALL_CARD, size=SMALL, anchor="middle"
                )
                if fabric and plain:
                    ink.rect(left + 4, top + SMALL_CARD - 5, SMALL_CARD - 8, 2, "both", radius=1)
        stated = [entry for entries in cards.values() for entry in entries]
        efa = sum(entry.carries_fabric for entry in stated)
        addressed = sum(bool(entry.addresses) for entry in stated)
        said = f"{efa} interfaces with EFA, {addressed} with an address"
        ink.text(x, y + self._cards(room) - 7, said, room, style="m", size=SMALL)
        return []

    def _draw_bus(  # noqa: PLR0917  (where it is)
        self,
        ink: Ink,
        box: float,
        x: float,
        y: float,
        width: float,
        ends: list[tuple[float, float]],
    ) -> None:
        style = {True: "efa-line", False: "bad-line", None: "unknown-line"}[self.fabric_works]
        line = y + 14
        left, right = x + LABEL, box + width - LOOP
        for across, down in ends:
            ink.path(f"M{across:.1f} {down:.1f}V{line:.1f}", f"line {style}")
        ink.path(f"M{left:.1f} {line:.1f}H{right:.1f}", f"line thick {style}")
        if self.fabric_works:
            # Out at the end of the line, and back to its beginning: the group names itself.
            ink.path(
                f"M{right:.1f} {line:.1f}h12a11 11 0 0 1 0 22h-14a6 6 0 0 1 -6 -6v-12",
                f"line {style}",
                arrow=True,
            )
        room = right - left - 30
        bold = width_of(self.fabric, SMALL) <= room
        ink.text(left, line + 18, self.fabric, room, style="" if bold else "m", size=SMALL)
        ink.text(x, line + 4, "fabric", LABEL - 8, style="m", size=SMALL)


def _kind(entry: Interface) -> str:
    if isinstance(entry.kind, NotKnown):
        return "kind not known"
    names = {"efa-only": "EFA", "efa": "EFA + IP", "interface": "IP"}
    name = names.get(entry.kind, entry.kind)
    device = words(entry.device, "?")
    return f"{name} · dev {device}"
