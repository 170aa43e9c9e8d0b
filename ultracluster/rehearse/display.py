"""What a rehearsal shows while it runs, and at its end."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console

from ultracluster.prove.leftovers import Leftover
from ultracluster.prove.proof import Results, as_document, failures, table_of
from ultracluster.rehearse.cdk import Event
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.tables import Column, Rows

FREE: Final = "free addresses"


@dataclass
class Step:
    """One step of a rehearsal."""

    name: str
    seconds: float = 0.0
    result: str = ""


class Display:
    """Progress of steps and stacks; plain lines where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[Step] = []
        self.record: dict[str, Any] = {"checks": {}, "left": [], "notes": [], "faults": []}
        """What was shown, for programs."""
        self._show: Callable[[str], None] = lambda _: None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Show a step while it runs, and a line with its time when it is done."""
        step, started = Step(name), time.monotonic()
        with self.console.status(name) as status:
            self._show = status.update
            yield step
        step.seconds = time.monotonic() - started
        self.steps.append(step)
        result = f"  {step.result}" if step.result else ""
        line = f"[green]✓[/green] {step.name:<28} {step.seconds:6.1f} s{result}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def listen(self, line: str) -> None:
        """Show how far the stack is that a line of the CDK CLI tells of."""
        event = Event.parse(line)
        if event is not None:
            done = f"{event.done}/{event.total}" if event.total else str(event.done)
            self._show(f"{event.stack}  {done} {event.resource_type}")

    def document(self, spec: EnvironmentSpec, *, good: bool) -> dict[str, Any]:
        """Return the rehearsal as one JSON document."""
        document = {"environment": spec.name, "emulated": True, "good": good}
        return {**document, "steps": [asdict(each) for each in self.steps], **self.record}

    def proof(self, results: Results) -> None:
        self.record["checks"] = as_document(results)
        self.console.print()
        self.console.print(table_of(results, "Proved by API calls (emulated AWS)"))
        for line in failures(results):
            self.fault(line)

    def summary(self, spec: EnvironmentSpec, facts: Mapping[str, object]) -> None:
        """Show what was built, from what the API answered and the catalogue knows of the type."""
        instance, spare = spec.nodes.instance, spec.nodes.spare_nodes
        found = {name: int(str(facts.get(name, 0))) for name in ("nodes", "cards", FREE)}
        nodes, cards, free = found["nodes"] - spare, found["cards"], found[FREE]
        gbps = instance.network_cards.gbps * cards / len(instance.network_cards.efa_recommended)
        tib, throughput = spec.storage.tebibytes, spec.storage.throughput_gbps
        total = spec.network.training_addresses
        demand = sum(spec.address_demand().values())
        reserved = facts.get("reserved")
        self.console.print()
        title = f"{spec.name}: what was built (emulated)"
        table = Rows([Column(""), Column("", "number")], title=title)
        for name, value in (
            ("nodes", f"{nodes:,} x {spec.nodes.instance_type}"),
            (instance.accelerator.plural, instance.accelerator.total(nodes)),
            *((("spare nodes", f"{spare:,}"),) if spare else ()),
            ("reserved in the placement group", f"{reserved:,}" if reserved else "none"),
            ("Gbps a node", f"{gbps:,.0f} on {cards} cards"),
            ("TiB of Lustre", "elastic" if tib is None else f"{tib:,.1f}"),
            ("GB/s of Lustre", f"{throughput:,.{1 if throughput >= 1 else 2}f}"),
            ("addresses used now, free", f"{total - free:,}, {free:,}"),
            ("addresses used, free at full size", f"{demand:,}, {total - demand:,}"),
        ):
            table.add(name, value)
        self.console.print(table)

    def left(self, found: Sequence[Leftover]) -> None:
        """Show what is left, and why; then what should not be as it is."""
        there = [entry for entry in found if entry.there]
        self.record["left"] = [
            {
                "type": entry.resource.resource_type,
                "id": entry.resource.physical_id,
                "expected": entry.expected,
                "reason": entry.reason,
            }
            for entry in there
        ]
        if not there:
            self.console.print("Nothing is left of the environment.")
        else:
            columns = [Column("type"), Column("id"), Column("why", "prose")]
            table = Rows(columns, title="Left after destroy, on purpose")
            for entry in (each for each in there if each.expected):
                resource = entry.resource
                table.add(resource.resource_type, str(resource.physical_id), entry.reason)
            self.console.print(table)
        for entry in found:
            if not entry.expected:
                state = "is still there" if entry.there else "is gone, and its data with it"
                self.fault(f"{entry.resource.resource_type} {entry.resource.physical_id} {state}")

    def total(self) -> None:
        """Show how long all steps took, of which each has said its own time."""
        seconds = sum(step.seconds for step in self.steps)
        self.console.print(f"  {'All steps':<28} {seconds:6.1f} s", highlight=False)

    def note(self, text: str) -> None:
        self.record["notes"].append(text.strip())
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def fault(self, text: str) -> None:
        self.record["faults"].append(text)
        self.console.print(f"✗ {text}", style="red", highlight=False, soft_wrap=True, markup=False)
