"""A plan as one HTML file with its pictures in it: nothing is fetched, both themes are served."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from ultracluster.plan import pictures
from ultracluster.plan.display import duration

STYLE: Final = """
:root{color-scheme:light dark;--ground:#fbfaf7;--card:#ffffff;--ink:#1d2021;--muted:#6b6f76;
--line:#d9d6cf;--c0:#2f6f8f;--c1:#9cc3d5;--c2:#c8553d;--c3:#e9a95b;--c4:#5b8c5a;--c5:#8e6c8a;
--c6:#b8b08d;--c7:#d9b8c4;--c8:#8a8f98}
@media(prefers-color-scheme:dark){:root{--ground:#15181b;--card:#1d2125;--ink:#e8e6e1;
--muted:#9aa0a8;--line:#343a40;--c0:#6fb3d2;--c1:#2d5a70;--c2:#e0785f;--c3:#d99a4e;--c4:#7fb07d;
--c5:#b08fac;--c6:#968e6c;--c7:#a87f8d;--c8:#6f757d}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:880px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:25px;line-height:1.25;margin:0 0 4px}h2{font-size:17px;margin:34px 0 10px}
p{margin:6px 0}.muted{color:var(--muted)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:20px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
.tile span{color:var(--muted);font-size:13px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px;
overflow-x:auto;margin-top:10px}
svg{width:100%;height:auto;display:block}
svg text{fill:var(--ink);font:13px system-ui,sans-serif}
svg text.small{font-size:12px}svg text.muted{fill:var(--muted);font-size:12px}
svg text.strong{font-weight:600}
.grid{stroke:var(--line)}.limit{stroke:var(--c2);stroke-width:2;stroke-dasharray:5 4}
.curve{fill:none;stroke:var(--c0);stroke-width:2.5}.dot{fill:var(--c0)}
.ideal{fill:none;stroke:var(--muted);stroke-dasharray:4 5}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--muted);font-weight:500;border-bottom:1px solid var(--line)}
td,th{padding:5px 8px;vertical-align:top}tr+tr td{border-top:1px solid var(--line)}
td.n,th.n{text-align:right;white-space:nowrap}
"""


def page(told: Mapping[str, Any]) -> str:
    """Return the page of a plan."""
    model, machine = told["model"], told["machine"]
    title = (
        f"{model['parameters'] / 1e9:,.2f} B parameters, {model['tokens'] / 1e9:,.0f} B tokens on "
        f"{machine['nodes']:,} x {machine['instance_type']}"
    )
    notes = [*told["calibrated_by"], *told["notes"]]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class=muted>{escape(_subtitle(told))}</p>",
        _tiles(told),
        *(f"<p>{escape(note)}</p>" for note in notes),
        "<h2>Days, and the likely range</h2>",
        _card(_days(told)),
        "<h2>From one node to all</h2>",
        _card(pictures.curve(told["scaling"])),
        (
            "<p class=muted>Tokens per second. The broken line is the smallest number of nodes "
            "that the model fits on, multiplied; x does not fit.</p>"
        ),
        "<h2>Memory of a GPU</h2>",
        _card(_memory(told)),
        "<h2>One step</h2>",
        _card(_step(told)),
        "<h2>Cost</h2>",
        _card(_cost(told)),
        _prices(told),
        "<h2>Layouts that lose</h2>",
        _runners_up(told),
        "<h2>Other instances</h2>",
        _alternatives(told),
        "<h2>Failures, checkpoints, storage</h2>",
        *(f"<p>{escape(line)}</p>" for line in _goodput(told)),
        "<h2>What is not known, the widest first</h2>",
        _doubts(told),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _subtitle(told: Mapping[str, Any]) -> str:
    model, machine, layout = told["model"], told["machine"], told["layout"]
    return (
        f"{model['layers']} layers of width {model['hidden']:,}, sequence {model['sequence']:,}; "
        f"{machine['gpus']:,} {machine['gpu']} in {machine['region']}; partition groups of "
        f"{layout['partition_group_gpus']:,} GPUs, {layout['replicas']:,} replicas, batch "
        f"{layout['micro_batch']} x {layout['accumulation']} a GPU, tensor parallel "
        f"{layout['tensor_parallel']}, activations "
        f"{'recomputed' if layout['checkpointing'] else 'kept'}"
    )


def _tiles(told: Mapping[str, Any]) -> str:
    time, step, cost = told["time"], told["step"], told["cost"][0]
    (low, high), hardware = time["days_range"], step["hardware_tflops_per_gpu"]
    money = f"{cost['usd']:,.0f} USD" if cost["usd"] is not None else "no price known"
    rows = [
        (
            duration(time["days"]),
            f"likely {low:,.1f} to {high:,.1f}",
        ),
        (money, f"{cost['purchase']}, nodes with spares, storage, network"),
        (f"{step['tokens_per_second']:,.0f} tokens/s", f"{step['seconds']:,.2f} s a step"),
        (
            f"{step['mfu']:.1%} MFU",
            f"{step['model_tflops_per_gpu']:,.0f} TFLOPS a GPU, {hardware:,.0f} with recomputation",
        ),
    ]
    tiles = "".join(
        f"<div class=tile><b>{escape(big)}</b><span>{escape(small)}</span></div>"
        for big, small in rows
    )
    return f"<div class=tiles>{tiles}</div>"


def _days(told: Mapping[str, Any]) -> str:
    low, high = told["time"]["days_range"]
    return pictures.span(low, told["time"]["days"], high, unit="days", label="days of training")


def _memory(told: Mapping[str, Any]) -> str:
    memory = told["memory_gib"]
    other = memory["other_way"]
    kept, recomputed = ("activations kept", "recomputed")
    rows = [
        (recomputed if not other["checkpointing"] else kept, memory["items"]),
        (recomputed if other["checkpointing"] else kept, other["items"]),
    ]
    return pictures.stacked(
        rows, limit=memory["capacity"], unit="GiB", label="memory of a GPU by item"
    )


def _step(told: Mapping[str, Any]) -> str:
    parts = pictures.shares(told["step"]["spent_seconds"])
    return pictures.stacked([("one step", parts)], limit=None, unit="s", label="a step by part")


def _cost(told: Mapping[str, Any]) -> str:
    items = sorted(told["cost"][0]["items"], key=lambda item: -item["usd"])
    return pictures.bars(
        [(item["purpose"], item["usd"]) for item in items[:8]], unit="USD", label="cost by item"
    )


def _prices(told: Mapping[str, Any]) -> str:
    rows = [
        (
            item["purpose"],
            f"{item['quantity']:,.0f} {item['unit']}",
            f"{item['usd_per_unit']:,.4f}",
            f"{item['usd']:,.0f}",
            (
                f"{item['price_region']}, {item['price_date']} ({item['confidence']}): "
                f"{item['price_source']}"
            ),
        )
        for item in told["cost"][0]["items"]
    ]
    rows += [
        (each["purpose"], "", "", "no price known", each["item"])
        for each in told["cost"][0]["no_price_known"]
    ]
    for other in told["cost"][1:]:
        known = other["usd"] is not None
        money = f"{other['usd']:,.0f}" if known else "no price known"
        rows.append((f"all of it, {other['purchase']}", "", "", money, ""))
    return _table(("item", "quantity", "USD each", "USD", "price of"), rows, numbers=(1, 2, 3))


def _runners_up(told: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{each['partition_group_gpus']:,}",
            f"{each['tensor_parallel']}",
            f"{each['micro_batch']} x {each['accumulation']}",
            "yes" if each["checkpointing"] else "no",
            f"{each['seconds']:,.2f}",
            each["why"],
        )
        for each in told["runners_up"]
    ]
    return _table(
        ("group", "tensor", "batch", "recomputed", "s a step", "why"), rows, numbers=(0, 1, 2, 4)
    )


def _alternatives(told: Mapping[str, Any]) -> str:
    rows = []
    for each in told["alternatives"]:
        doubt = "" if each["measured_gpu"] else "no run on this GPU was at hand"
        if each["nodes"] is None:
            rows.append((each["instance_type"], "", "", "", each["why_not"]))
            continue
        usd = f"{each['usd']:,.0f}" if each["usd"] is not None else "no price known"
        rows.append(
            (each["instance_type"], f"{each['nodes']:,}", f"{each['days']:,.1f}", usd, doubt)
        )
    return _table(("instance", "nodes", "days", "USD", ""), rows, numbers=(1, 2, 3))


def _goodput(told: Mapping[str, Any]) -> list[str]:
    good, storage = told["goodput"], told["storage"]
    return [
        (
            f"One failure in {good['hours_between_failures']:,.1f} hours: "
            f"{good['failures_source']}. A restart takes {good['restart_minutes']:,.0f} minutes; "
            f"{good['fraction']:.1%} of the time trains; {good['spare_nodes']} spare nodes "
            "bridge repairs."
        ),
        (
            f"A checkpoint of {good['checkpoint_gb']:,.0f} GB every "
            f"{good['checkpoint_interval_minutes']:,.0f} minutes, written in "
            f"{good['checkpoint_write_seconds']:,.0f} s: {good['checkpoint_share']:.1%} of the "
            "time."
        ),
        (
            f"Lustre of {storage['capacity_gib']:,} GiB at "
            f"{storage['per_unit_storage_throughput']} MB/s per TiB writes "
            f"{storage['write_gb_per_s']:,.1f} GB/s of "
            f"{storage['needed_gb_per_s']:,.1f} needed; training reads "
            f"{storage['input_mb_per_s']:,.1f} MB/s."
        ),
    ]


def _doubts(told: Mapping[str, Any]) -> str:
    rows = [
        (each["name"], f"{each['good']:,.1f} to {each['bad']:,.1f}", each["measure"])
        for each in told["doubts"]
    ]
    return _table(("", "days", "what would settle it"), rows, numbers=(1,))


def _card(body: str) -> str:
    return f"<div class=card>{body}</div>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int]) -> str:
    def cells(values: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if index in numbers else ''}>{escape(value)}</{tag}>"
            for index, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return _card(f"<table><tr>{cells(head, 'th')}</tr>{body}</table>")
