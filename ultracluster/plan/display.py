"""A plan in the terminal: tables, bars and the scaling curve."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

BAR: Final = 28
"""Characters of the longest bar."""
BLOCKS: Final = " ▏▎▍▌▋▊▉"
NARROW: Final = 110
"""Columns below which a bill leaves out what can be worked out, so that no sum is cut."""
LEAST: Final = 0.005
"""Share of the whole below which a part of the step is not listed."""


def show(told: Mapping[str, Any], console: Console) -> None:
    """Print a plan."""
    for part in (_answer, _memory, _step, _runners_up, _scaling):
        console.print(part(told))
    console.print(_cost(told, narrow=console.width < NARROW))
    for part in (_alternatives, _doubts):
        console.print(part(told))
    for line in (*told["calibrated_by"], *told["notes"]):
        console.print(Text(f"- {line}"), soft_wrap=True)


def show_written(written: Iterable[str], console: Console) -> None:
    """Print what was written and what to ask for."""
    for line in written:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def duration(*days: float) -> str:
    """Return a time, or the ends of a range of it, in hours where days would be noughts."""
    unit, each = ("days", 1) if max(days) >= 1 else ("hours", 24)
    return f"{' to '.join(f'{time * each:,.1f}' for time in days)} {unit}"


def counted(number: int, of: str) -> str:
    """Return a number of things, one of which has no plural."""
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def _answer(told: Mapping[str, Any]) -> Table:
    model, machine, time = told["model"], told["machine"], told["time"]
    step, chosen, good = told["step"], told["layout"], told["goodput"]
    storage, cost = told["storage"], told["cost"][0]
    way = "recomputed" if chosen["checkpointing"] else "kept"
    table = Table(
        title=f"{model['parameters'] / 1e9:,.2f} B parameters, {model['tokens'] / 1e9:,.0f} B "
        f"tokens on {machine['nodes']:,} x {machine['instance_type']}",
        show_header=False,
        title_justify="left",
    )
    low, high = time["days_range"]
    fast, slow = step["seconds_range"]
    money = f"{cost['usd']:,.0f} USD" if cost["usd"] is not None else "no price of the nodes known"
    rows = [
        ("time", (f"{duration(time['days'])}, likely {duration(low, high)}; "
                 f"{time['node_hours']:,.0f} node-hours")),
        ("cost", f"{money}, {cost['purchase']}"
                 + (f", {cost['usd_per_day']:,.0f} a day" if cost["usd"] is not None else "")),
        ("model", (f"{model['layers']} layers, width {model['hidden']:,}, {model['heads']} heads, "
                  f"vocabulary {model['vocabulary']:,}, sequence {model['sequence']:,}")),
        ("machine", (f"{machine['gpus']:,} {machine['gpu']}, {machine['node_gbps']:,.0f} Gbps a "
                    f"node at {machine['network_efficiency']:.0%}")),
        ("partition group", (f"{counted(chosen['partition_group_gpus'], 'GPU')}, "
                            f"{counted(chosen['replicas'], 'replica')}{_smallest(told)}")),
        ("batch", (f"{chosen['micro_batch']} x {chosen['accumulation']} sequences a GPU"
                  f"{_tensor(chosen)}, "
                  f"activations {way}")),
        ("step", (f"{step['seconds']:,.2f} s, likely {fast:,.2f} to {slow:,.2f}; "
                 f"{step['tokens_per_second']:,.0f} tokens/s")),
        ("TFLOPS a GPU", (f"{step['model_tflops_per_gpu']:,.0f} of the model "
                         f"({step['mfu']:.1%} MFU), {step['hardware_tflops_per_gpu']:,.0f} with "
                         "recomputation")),
        ("failures", (f"one in {good['hours_between_failures']:,.1f} h; {good['fraction']:.1%} of "
                     f"the time trains; {counted(good['spare_nodes'], 'spare node')}")),
        ("checkpoints", (f"{good['checkpoint_gb']:,.0f} GB every "
                        f"{good['checkpoint_interval_minutes']:,.0f} min, written in "
                        f"{good['checkpoint_write_seconds']:,.0f} s "
                        f"({good['checkpoint_share']:.1%} of the time)")),
        ("Lustre", (f"{storage['capacity_gib'] / 1024:,.1f} TiB at "
                   f"{storage['per_unit_storage_throughput']} MB/s per TiB: "
                   f"{storage['write_gb_per_s']:,.1f} GB/s, {storage['needed_gb_per_s']:,.1f} "
                   f"needed; training reads {storage['input_mb_per_s']:,.1f} MB/s")),
    ]  # fmt: skip
    for name, value in rows:
        table.add_row(name, value)
    return table


def _tensor(chosen: Mapping[str, Any]) -> str:
    degree = chosen["tensor_parallel"]
    return f", {degree} GPUs to a layer (tensor parallel)" if degree > 1 else ""


def _smallest(told: Mapping[str, Any]) -> str:
    degree = told["layout"]["tensor_parallel"]
    smallest = told["smallest_partition_group_by_tensor_degree"]
    least, alone = smallest.get(degree), smallest.get(1)
    mine = f"; {least:,} is the smallest that fits" if least else ""
    if degree == 1:
        return mine
    return f"{mine}, {f'{alone:,}' if alone else 'none'} without tensor parallelism"


def _memory(told: Mapping[str, Any]) -> Table:
    memory = told["memory_gib"]
    other = memory["other_way"]
    way = "kept" if not other["checkpointing"] else "recomputed"
    table = Table(
        title=f"Memory of a GPU in GiB, {memory['capacity']:.1f} there", title_justify="left"
    )
    table.add_column("item")
    table.add_column("GiB", justify="right")
    table.add_column("")
    table.add_column(f"activations {way}", justify="right")
    for name, size in memory["items"].items():
        table.add_row(
            name, f"{size:,.1f}", _bar(size, memory["capacity"]), f"{other['items'][name]:,.1f}"
        )
    fits = "" if other["fits"] else ", does not fit"
    table.add_row(
        "least it runs in", f"{memory['needed']:,.1f}", "", f"{other['needed']:,.1f}{fits}"
    )
    return table


def _step(told: Mapping[str, Any]) -> Table:
    step = told["step"]
    table = Table(title=f"One step, {step['seconds']:,.2f} s", title_justify="left")
    for column in ("spent on", "s", "", "sent beside it", "s"):
        table.add_column(column, justify="right" if column == "s" else "left")
    spent = [item for item in step["spent_seconds"].items() if item[1] > LEAST * step["seconds"]]
    sent = [item for item in step["sent_seconds"].items() if item[1] > 0]
    for index in range(max(len(spent), len(sent))):
        name, seconds = spent[index] if index < len(spent) else ("", 0.0)
        beside, apart = sent[index] if index < len(sent) else ("", 0.0)
        table.add_row(
            name,
            f"{seconds:,.2f}" if name else "",
            _bar(seconds, step["seconds"]),
            beside,
            f"{apart:,.2f}" if beside else "",
        )
    return table


def _runners_up(told: Mapping[str, Any]) -> Table:
    table = Table(title="Layouts that lose", title_justify="left")
    for column in ("group", "tensor", "batch", "recomputed", "s a step", "tokens/s"):
        table.add_column(column, justify="right")
    table.add_column("why")
    for each in told["runners_up"]:
        table.add_row(
            f"{each['partition_group_gpus']:,}",
            str(each["tensor_parallel"]),
            f"{each['micro_batch']} x {each['accumulation']}",
            "yes" if each["checkpointing"] else "no",
            f"{each['seconds']:,.2f}",
            f"{each['tokens_per_second']:,.0f}",
            each["why"],
        )
    return table


def _scaling(told: Mapping[str, Any]) -> Table:
    table = Table(title="From one node to all", title_justify="left")
    for column in ("nodes", "tokens/s", "a GPU, of the first"):
        table.add_column(column, justify="right")
    table.add_column("tokens/s")
    most = max((point["tokens_per_second"] or 0 for point in told["scaling"]), default=0)
    for point in told["scaling"]:
        rate = point["tokens_per_second"]
        if rate is None:
            table.add_row(f"{point['nodes']:,}", "does not fit", "", "")
            continue
        table.add_row(
            f"{point['nodes']:,}", f"{rate:,.0f}", f"{point['efficiency']:.0%}", _bar(rate, most)
        )
    return table


def _cost(told: Mapping[str, Any], *, narrow: bool) -> Table:
    first = told["cost"][0]
    table = Table(
        title=f"Cost in {told['machine']['region']}, {duration(first['days'])} with spare nodes",
        title_justify="left",
    )
    head = ("item", "quantity", "USD each", "USD a day", "USD", "", "price of")
    left_out = {2, 5} if narrow else set()

    def add(*cells: str) -> None:
        table.add_row(*(cell for index, cell in enumerate(cells) if index not in left_out))

    for index, column in enumerate(head):
        if index not in left_out:
            words = index in {0, 6}
            table.add_column(
                column,
                justify="left" if words or not column else "right",
                no_wrap=not words,
                overflow="fold",
            )
    for line in first["items"]:
        if line["usd_per_day"] < 1 and line["share"] < LEAST:
            continue
        add(
            line["purpose"],
            f"{line['quantity']:,.0f}",
            f"{line['usd_per_unit']:,.4f}",
            f"{line['usd_per_day']:,.0f}",
            f"{line['usd']:,.0f}",
            _bar(line["share"], 1.0, width=10),
            f"{line['price_date'][:24]} ({line['confidence']}{_elsewhere(told, line)})",
        )
    for lacking in first["no_price_known"]:
        add(lacking["purpose"], "", "", "no price known", "", "", lacking["item"])
    for other in told["cost"][1:]:
        known = other["usd"] is not None
        add(
            f"all of it, {other['purchase']}",
            "",
            f"{other['nodes_usd_per_hour']:,.4f}" if known else "",
            f"{other['usd_per_day']:,.0f}" if known else "no price known",
            f"{other['usd']:,.0f}" if known else "",
            "",
            f"node price of {other['nodes_price_region']}" if known else "",
        )
    return table


def _elsewhere(told: Mapping[str, Any], line: Mapping[str, Any]) -> str:
    own = line["price_region"] == told["machine"]["region"]
    return "" if own else f", of {line['price_region']}"


def _alternatives(told: Mapping[str, Any]) -> Table:
    table = Table(
        title=f"Other instances, in {duration(told['time']['days'])} or less",
        title_justify="left",
    )
    for column in ("instance", "nodes", "days", "USD"):
        table.add_column(column, justify="left" if column == "instance" else "right")
    table.add_column("")
    for each in told["alternatives"]:
        doubt = "" if each["measured_gpu"] else "no run on this GPU was at hand"
        if each["nodes"] is None:
            table.add_row(each["instance_type"], "", "", "", each["why_not"])
            continue
        usd = f"{each['usd']:,.0f}" if each["usd"] is not None else "no price known"
        bought = f"{each['purchase']}" if each["usd"] is not None else ""
        words = "; ".join(word for word in (bought, doubt) if word)
        table.add_row(
            each["instance_type"], f"{each['nodes']:,}", f"{each['days']:,.1f}", usd, words
        )
    return table


def _doubts(told: Mapping[str, Any]) -> Table:
    table = Table(title="What is not known, the widest first", title_justify="left")
    table.add_column("")
    table.add_column("days", justify="right")
    table.add_column("what would settle it")
    for each in told["doubts"]:
        table.add_row(each["name"], f"{each['good']:,.1f} to {each['bad']:,.1f}", each["measure"])
    return table


def _bar(value: float, whole: float, *, width: int = BAR) -> str:
    """Return a bar of eighths of a character."""
    eighths = round(max(0.0, min(1.0, value / whole if whole else 0.0)) * width * 8)
    return ("█" * (eighths // 8) + BLOCKS[eighths % 8]).rstrip()
