"""One node in detail: accelerators, network cards and the interfaces on them, and the fabric."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ultracluster.catalogue.instances import has_accelerator
from ultracluster.review.drawing.blocks import Item
from ultracluster.review.drawing.svg import LARGE, LINE, NORMAL, Canvas
from ultracluster.review.drawing.svg import width as width_of
from ultracluster.review.naming import counted
from ultracluster.review.resolved import NotKnown, words
from ultracluster.review.topology.nodes import Interface, Nodes

GPU: Final = 24.0
MOST_WIDE: Final = 8
"""Cards that are drawn with their interfaces; more of them are small squares."""
SMALL_CARD: Final = 26.0
WIDEST_CARD: Final = 132.0
SPACE: Final = 6.0
LOOP: Final = 40.0
COUNT: Final = 128.0
LABEL: Final = 134.0
MOST_INTERFACES: Final = 3
NO_INTERFACES: Final = "one ordinary interface, which EC2 creates"
KINDS: Final = {"efa-only": "EFA", "efa": "EFA + IP", "interface": "IP"}
BUS: Final = {True: "efa-line", False: "bad-line", None: "unknown-line"}

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class NodeBox:
    """A node, and beside it how many there are like it."""

    nodes: Nodes
    fabric: str
    """What the fabric's line says."""
    fabric_works: bool | None

    @property
    def _stated(self) -> Sequence[Interface]:
        stated = self.nodes.interfaces
        return [] if isinstance(stated, NotKnown) else stated

    @property
    def on_fabric(self) -> bool:
        return any(entry.carries_fabric for entry in self._stated)

    @cached_property
    def _cards(self) -> dict[int | None, list[Interface]]:
        """The interfaces by card, also the cards that have none."""
        instance = self.nodes.instance
        cards = range(instance.network_cards.count if instance else 0)
        found: dict[int | None, list[Interface]] = {card: [] for card in cards}
        for entry in self._stated:
            found.setdefault(entry.card if isinstance(entry.card, int) else None, []).append(entry)
        return found

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        alone = self.nodes.alone
        box = width if alone else width - COUNT
        at, room, down = x + 10, box - 2 * 10 - LABEL, y + 12 + 6
        with canvas.later() as behind:
            _label(canvas, at, down + LINE * 0.75, "the node" if alone else "one node in detail")
            type_name = words(self.nodes.type_name, "type not known")
            baseline = down + LINE * 0.75
            canvas.text(at + LABEL, baseline, type_name, room - 12, size=NORMAL, bold=True)
            down += LINE + 6
            down += self._draw_gpus(canvas, at, down, room)
            height, bottoms = self._draw_cards(canvas, at, down, room)
            down += height
            if self.on_fabric:
                _label(canvas, at, down + 18, "fabric")
                self._draw_bus(canvas, at + LABEL, x + box - 12 - LOOP, down + 14, bottoms)
            total = down + (42 if self.on_fabric else 2) - y
            if not alone:
                for step in (12, 8, 4):
                    behind.rect(x + step, y + 12 - step, box - 12, total - 12, "box node behind")
                self._draw_count(behind, x + box + COUNT / 2 + 4, y + total / 2)
            behind.rect(x, y + 12, box - 12, total - 12, "box node")
        return total

    def _draw_count(self, canvas: Canvas, middle: float, y: float) -> None:
        count = self.nodes.count
        number, said = "?", "count not known"
        if isinstance(count, int):
            number, said = f"×{count:,}", "nodes at most"
        canvas.text(middle, y + 2, number, COUNT - 12, size=LARGE, bold=True, anchor="middle")
        canvas.text(middle, y + 20, said, COUNT - 16, style="m", anchor="middle")

    def accelerators(self) -> str:
        """Return what a node computes with, in words."""
        instance, type_name = self.nodes.instance, self.nodes.type_name
        if isinstance(type_name, NotKnown):
            return f"not known: {type_name.because}"
        if instance is not None:
            accelerator = instance.accelerator
            return accelerator.total(1) if accelerator.count else "count not known"
        if any(map(has_accelerator, type_name.split(" or "))):
            return "not known: this type is not in the catalogue"
        return "no GPU"

    def _draw_gpus(self, canvas: Canvas, x: float, y: float, room: float) -> float:
        accelerator = self.nodes.instance.accelerator if self.nodes.instance else None
        if accelerator is None or not accelerator.count:
            _label(canvas, x, y + LINE * 0.75, "accelerators")
            canvas.text(x + LABEL, y + LINE * 0.75, self.accelerators(), room - 12, style="m")
            return LINE + 4
        one = accelerator.plural.removesuffix("s") if accelerator.count == 1 else accelerator.plural
        _label(canvas, x, y + 11, f"{accelerator.count} {one}")
        places, height = _squares(accelerator.count, x + LABEL, y, room, GPU)
        for number, (left, top) in enumerate(places):
            canvas.rect(left, top, GPU, GPU, "gpu", radius=2)
            canvas.text(left + GPU / 2, top + 16, str(number), GPU, anchor="middle")
        said = accelerator.name
        if accelerator.memory_mib and accelerator.count * (GPU + SPACE) <= room - 162:
            said += f", {accelerator.memory_mib // 1024} GiB each"
        after = max(left for left, _ in places) + GPU + SPACE + 6
        canvas.text(after, y + 16, said, x + LABEL + room - 12 - after, style="m")
        return height + 4

    def _draw_cards(self, canvas: Canvas, x: float, y: float, room: float) -> tuple[float, Points]:
        """Draw the cards; return how high they are, and where lines to the fabric begin."""
        cards, stated, instance = self._cards, self.nodes.interfaces, self.nodes.instance
        left = x + LABEL
        if isinstance(stated, NotKnown):
            _label(canvas, x, y + LINE * 0.75, "interfaces")
            said = f"not known: {stated.because}"
            canvas.text(left, y + LINE * 0.75, said, room - 12, style="m")
            return LINE + 4, ()
        count = len(cards) if instance is None else instance.network_cards.count
        _label(canvas, x, y + 11, counted(count, "network card") if cards else "interfaces")
        if instance is not None:
            _label(canvas, x, y + 11 + LINE, f"{instance.network_cards.gbps:,.0f} Gbps")
        if not stated:
            canvas.text(left, y + 11, NO_INTERFACES, room - 12, style="m")
            return (2 if instance else 1) * LINE + 4, ()
        if len(cards) <= MOST_WIDE:
            return self._wide_cards(canvas, left, y, room - 12)
        places, height = _squares(len(cards), left, y, room, SMALL_CARD)
        for (across, down), (card, entries) in zip(places, cards.items(), strict=True):
            _small_card(canvas, across, down, card, entries)
        height += LINE + 2
        efa = sum(entry.carries_fabric for entry in stated)
        addressed = sum(entry.kind != "efa-only" for entry in stated)
        said = f"{efa} interfaces with EFA, {addressed} with an address"
        canvas.text(left, y + height - 7, said, room - 12, style="m")
        return height, ()

    def _wide_cards(self, canvas: Canvas, x: float, y: float, room: float) -> tuple[float, Points]:
        count, bottoms = len(self._cards), []
        width = min((room - SPACE * (count - 1)) / count, WIDEST_CARD)
        most = max(map(len, self._cards.values()))
        height = 24 + max(min(most, MOST_INTERFACES), 1) * 18
        for number, (card, entries) in enumerate(self._cards.items()):
            left = x + number * (width + SPACE)
            canvas.rect(left, y, width, height, "card", radius=3)
            title = "card not known" if card is None else f"card {card}"
            canvas.text(left + 6, y + 16, title, width - 10)
            shown = entries if len(entries) <= MOST_INTERFACES else entries[: MOST_INTERFACES - 1]
            for line, entry in enumerate(shown):
                top = y + 24 + line * 18
                style = "efa" if entry.carries_fabric else "ip"
                canvas.rect(left + 5, top, width - 10, 15, f"chip {style}", radius=2)
                canvas.text(left + 10, top + 11.5, _kind(entry), width - 18)
            if len(entries) > len(shown):
                more = f"{len(entries) - len(shown)} more"
                canvas.text(left + 10, y + 24 + 2 * 18 + 11.5, more, width - 18)
            if not entries:
                canvas.text(left + 10, y + 24 + 11.5, "nothing", width - 18, style="m")
            if any(entry.carries_fabric for entry in entries):
                bottoms.append((left + width / 2, y + height))
        return height + 4, bottoms

    def _draw_bus(
        self,
        canvas: Canvas,
        left: float,
        right: float,
        line: float,
        ends: Points,
    ) -> None:
        style = BUS[self.fabric_works]
        for across, down in ends:
            canvas.path(f"M{across:.1f} {down:.1f}V{line:.1f}", f"line {style}")
        canvas.path(f"M{left:.1f} {line:.1f}H{right:.1f}", f"line thick {style}")
        if self.fabric_works:
            # Out at the end of the line, and back to its beginning: the group names itself.
            loop = f"M{right:.1f} {line:.1f}h12a11 11 0 0 1 0 22h-14a6 6 0 0 1 -6 -6v-12"
            canvas.path(loop, f"line {style}", arrow=True)
        room = right - left - 30
        muted = "" if width_of(self.fabric, 12) <= room else "m"
        canvas.text(left, line + 18, self.fabric, room, style=muted)

    def words(self) -> Iterator[Item]:
        instance, stated = self.nodes.instance, self.nodes.interfaces
        yield Item(f"Accelerators of each: {self.accelerators()}")
        if instance is not None:
            cards = instance.network_cards
            yield Item(f"{cards.count} network cards with {cards.gbps:,.0f} Gbps together")
        if isinstance(stated, NotKnown):
            yield Item(f"Interfaces not known: {stated.because}")
        elif not stated:
            yield Item(NO_INTERFACES)
        else:
            each = [f"{words(entry.kind)} on card {words(entry.card)}" for entry in stated]
            yield Item(f"Interfaces: {', '.join(each)}")
        if self.on_fabric:
            yield Item(self.fabric)


def _label(canvas: Canvas, x: float, baseline: float, said: str) -> None:
    canvas.text(x, baseline, said, LABEL - 8, style="m")


def _squares(count: int, x: float, y: float, room: float, size: float) -> tuple[Points, float]:
    """Return where so many squares lie in rows, and how high these are."""
    step = size + SPACE
    per_row = max(int((room + SPACE) // step), 1)
    places = [(x + n % per_row * step, y + n // per_row * step) for n in range(count)]
    return places, -(-count // per_row) * step


def _small_card(
    canvas: Canvas, x: float, y: float, card: int | None, entries: Sequence[Interface]
) -> None:
    fabric = any(entry.carries_fabric for entry in entries)
    plain = any(entry.kind != "efa-only" for entry in entries)
    style = "efa" if fabric else "ip" if plain else "none"
    with canvas.group(f"card {card}: {', '.join(map(_kind, entries)) or 'nothing'}"):
        canvas.rect(x, y, SMALL_CARD, SMALL_CARD, f"chip {style}", radius=3)
        said = "?" if card is None else str(card)
        canvas.text(x + SMALL_CARD / 2, y + 17, said, SMALL_CARD, anchor="middle")
        if fabric and plain:
            canvas.rect(x + 4, y + SMALL_CARD - 5, SMALL_CARD - 8, 2, "both", radius=1)


def _kind(entry: Interface) -> str:
    if isinstance(entry.kind, NotKnown):
        return "kind not known"
    return f"{KINDS.get(entry.kind, entry.kind)} · dev {words(entry.device, '?')}"
