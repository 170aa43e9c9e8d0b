"""The parts of a plan's report, made of the plan as plain values."""

from collections.abc import Iterator, Sequence
from typing import Final

from ultracluster.plan import pictures
from ultracluster.plan.report import (
    Cell,
    Document,
    Report,
    Section,
    activations,
    counted,
    degrees,
    duration,
)
from ultracluster.tables import Column

LEAST: Final = 0.005
"""Share of the whole below which a part of the step, or a small price, is not listed."""
FACTS: Final = {
    "model": "{model[layers]} layers, width {model[hidden]:,}, {model[heads]} heads, vocabulary "
    "{model[vocabulary]:,}, sequence {model[sequence]:,}",
    "machine": "{machine[gpus]:,} {machine[gpu]}, {machine[node_gbps]:,.0f} Gbps a node at "
    "{machine[network_efficiency]:.0%}",
    "partition group": "{groups}",
    "batch": "{batch}",
    "step": "{step[seconds]:,.2f} s, likely {step[seconds_range][0]:,.2f} to "
    "{step[seconds_range][1]:,.2f}; {step[tokens_per_second]:,.0f} tokens/s",
    "TFLOPS a GPU": "{step[model_tflops_per_gpu]:,.0f} of the model ({step[mfu]:.1%} MFU), "
    "{step[hardware_tflops_per_gpu]:,.0f} with recomputation",
    "failures": "one in {goodput[hours_between_failures]:,.1f} h; {goodput[fraction]:.1%} of the "
    "time trains; {spares}",
    "checkpoints": "{goodput[checkpoint_gb]:,.0f} GB every "
    "{goodput[checkpoint_interval_minutes]:,.0f} min, {goodput[checkpoint_interval_steps]:,} "
    "steps; written in {goodput[checkpoint_write_seconds]:,.0f} s "
    "({goodput[checkpoint_share]:.1%} of the time)",
    "Lustre": "{tebibytes:,.1f} TiB at {storage[per_unit_storage_throughput]} MB/s per TiB: "
    "{storage[write_gb_per_s]:,.1f} GB/s, {storage[needed_gb_per_s]:,.1f} needed; training reads "
    "{storage[input_mb_per_s]:,.1f} MB/s",
}
"""What the answer says, by what it says it of, filled with the plan's values."""


def report(plan: Document) -> Report:
    model, machine, time = plan["model"], plan["machine"], plan["time"]
    low, high = time["days_range"]
    return Report(
        title=f"{model['parameters'] / 1e9:,.2f} B parameters, {model['tokens'] / 1e9:,.0f} B "
        f"tokens on {machine['nodes']:,} x {machine['instance_type']}",
        facts=list(_facts(plan)),
        sections=[
            _memory(plan["memory_gib"]),
            *_step(plan["step"]),
            _slower(plan["runners_up"]),
            _scaling(plan["scaling"]),
            _cost(plan),
            _alternatives(plan),
            _doubts(plan["doubts"]),
            _assumed(plan["goodput"]),
        ],
        notes=[*plan["calibrated_by"], *plan["notes"]],
        days=(low, time["days"], high),
    )


def _facts(plan: Document) -> Iterator[tuple[str, str]]:
    time, cost, layout = plan["time"], plan["cost"][0], plan["layout"]
    likely = duration(*time["days_range"])
    yield "time", f"{duration(time['days'])}, likely {likely}; {time['node_hours']:,.0f} node-hours"
    if cost["usd"] is None:
        yield "cost", f"no price of the nodes known, {cost['purchase']}"
    else:
        day = f"{cost['usd_per_day']:,.0f} a day"
        yield "cost", f"{cost['usd']:,.0f} USD, {cost['purchase']}, {day}"
    steps, staged = layout["accumulation"], layout["pipeline_stages"] > 1
    passes = f"{steps:,} of them a step" if staged else counted(steps, "accumulation step")
    worked_out = {
        "groups": f"{counted(layout['partition_group_gpus'], 'GPU')}, "
        f"{counted(layout['replicas'], 'replica')}{_smallest(plan)}",
        "batch": f"micro-batch {layout['micro_batch']}, {passes}{degrees(layout)}, "
        f"{activations(layout)}",
        "spares": counted(plan["goodput"]["spare_nodes"], "spare node"),
        "tebibytes": plan["storage"]["capacity_gib"] / 1024,
    }
    for name, words in FACTS.items():
        yield name, words.format(**plan, **worked_out)


def _smallest(plan: Document) -> str:
    degree = plan["layout"]["tensor_parallel"]
    if plan["layout"]["pipeline_stages"] > 1:
        return ""
    smallest = plan["smallest_partition_group_by_tensor_degree"]
    least, alone = smallest.get(degree), smallest.get(1)
    mine = f"; {least:,} is the smallest that fits" if least else ""
    if degree == 1:
        return mine
    return f"{mine}, {f'{alone:,}' if alone else 'none'} without tensor parallelism"


def _columns(prose: str, *numbers: str) -> tuple[Column, ...]:
    """Return a column of words, and others of numbers."""
    return (Column(prose, "prose"), *(Column(title, "number") for title in numbers))


def _usd(value: float | None) -> str:
    return "no price known" if value is None else f"{value:,.0f}"


def _memory(memory: Document) -> Section:
    other, capacity = memory["other_way"], memory["capacity"]
    ways = activations(memory), activations(other)
    fits = "" if other["fits"] else ", does not fit"
    return Section(
        f"GPU memory (GiB, {capacity:.1f} available)",
        (*_columns("item", "GiB"), Column("share", "bar"), Column(ways[1], "number")),
        [
            *(
                (name, f"{size:,.1f}", size / capacity, f"{other['items'][name]:,.1f}")
                for name, size in memory["items"].items()
            ),
            ("least it runs in", f"{memory['needed']:,.1f}", 0.0, f"{other['needed']:,.1f}{fits}"),
        ],
        parts=list(zip(ways, (memory["items"], other["items"]), strict=True)),
        limit=capacity,
    )


def _step(step: Document) -> Iterator[Section]:
    spent, whole = step["spent_seconds"], step["seconds"]
    yield Section(
        f"One step, {whole:,.2f} s",
        (*_columns("spent on", "s"), Column("share", "bar")),
        [(n, f"{s:,.2f}", s / whole) for n, s in spent.items() if s > LEAST * whole],
    )
    sent = [(name, f"{s:,.2f}") for name, s in step["sent_seconds"].items() if s > 0]
    if sent:
        yield Section("Sent beside the computing", _columns("what", "s"), sent)


def _slower(layouts: Sequence[Document]) -> Section:
    return Section(
        "Slower layouts",
        (
            *(Column(title, "number") for title in ("group", "tensor", "stages", "batch")),
            Column("activations", spare=True),
            Column("s a step", "number"),
            Column("tokens/s", "number", spare=True),
            Column("why", "prose"),
        ),
        [
            (
                f"{each['partition_group_gpus']:,}",
                f"{each['tensor_parallel']}",
                f"{each['pipeline_stages']}",
                f"{each['micro_batch']} x {each['accumulation']}",
                each["activations"],
                f"{each['seconds']:,.2f}",
                f"{each['tokens_per_second']:,.0f}",
                each["why"],
            )
            for each in layouts
        ],
    )


def _scaling(points: Sequence[Document]) -> Section:
    most = max((point["tokens_per_second"] or 0 for point in points), default=0)
    return Section(
        "Scaling",
        (
            *(
                Column(title, "number")
                for title in ("nodes", "tokens/s", "a GPU, of the first row")
            ),
            Column("tokens/s", "bar"),
        ),
        [
            (f"{each['nodes']:,}", f"{rate:,.0f}", f"{each['efficiency']:.0%}", rate / most)
            if (rate := each["tokens_per_second"])
            else (f"{each['nodes']:,}", "does not fit", "", 0.0)
            for each in points
        ],
        picture=lambda: pictures.curve(points),
    )


def _cost(plan: Document) -> Section:
    first, *others = plan["cost"]
    region, lacking = plan["machine"]["region"], first["no_price_known"]
    rows: list[tuple[Cell, ...]] = [
        (
            line["purpose"],
            f"{line['quantity']:,.0f}",
            f"{line['usd_per_unit']:,.4f}",
            f"{line['usd_per_day']:,.0f}",
            f"{line['usd']:,.0f}",
            line["share"],
            _priced(line, region),
        )
        for line in first["items"]
        if line["usd_per_day"] >= 1 or line["share"] >= LEAST
    ]
    rows += [(each["purpose"], "", "", "no price known", "", 0.0, "") for each in lacking]
    for other in others:
        each, usd, where = "", "", ""
        if other["usd"] is not None:
            each, usd = f"{other['nodes_usd_per_hour']:,.4f}", f"{other['usd']:,.0f}"
            where = f"node price of {other['nodes_price_region']}"
        day = _usd(other["usd_per_day"])
        rows.append((f"all of it, {other['purchase']}", "", each, day, usd, 0.0, where))
    return Section(
        f"Cost in {region}, {duration(first['days'])} with spare nodes",
        (
            *_columns("item", "quantity"),
            Column("USD each", "number", spare=True),
            *(Column(title, "number") for title in ("USD a day", "USD")),
            Column("share", "bar", spare=True),
            Column("price of", "prose"),
        ),
        rows,
        [f"no price known: {each['purpose']}, {each['item']}" for each in lacking],
    )


def _priced(line: Document, region: str) -> str:
    elsewhere = "" if line["price_region"] == region else f", of {line['price_region']}"
    return f"{line['price_date'][:24]} ({line['confidence']}{elsewhere})"


def _alternatives(plan: Document) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for each in plan["alternatives"]:
        if each["nodes"] is None:
            rows.append((each["instance_type"], "", "", "", each["why_not"]))
            continue
        bought = each["purchase"] if each["usd"] is not None else ""
        doubt = "" if each["measured_gpu"] else "no published run on this GPU"
        words = "; ".join(word for word in (bought, doubt) if word)
        nodes, days = f"{each['nodes']:,}", f"{each['days']:,.1f}"
        rows.append((each["instance_type"], nodes, days, _usd(each["usd"]), words))
    return Section(
        f"Other instances, in {duration(plan['time']['days'])} or less",
        (
            Column("instance"),
            *(Column(title, "number") for title in ("nodes", "days", "USD")),
            Column("note", "prose"),
        ),
        rows,
    )


def _doubts(doubts: Sequence[Document]) -> Section:
    return Section(
        "What is not known, the widest first",
        _columns("doubt", "days"),
        [(each["name"], f"{each['good']:,.1f} to {each['bad']:,.1f}") for each in doubts],
        [f"to settle {each['name']}: {each['measure']}" for each in doubts],
    )


def _assumed(good: Document) -> Section:
    rate, minutes = good["failures_per_node_day"], good["restart_minutes"]
    return Section(
        "Failures",
        lines=[
            f"{rate:g} failures a node and day: {good['failures_source']}",
            f"from a failure to the first new step: {minutes:,.0f} minutes",
        ],
    )
