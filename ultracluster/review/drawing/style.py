"""Colours and letters of the picture, light, dark and printed."""

from typing import Final

LIGHT: Final = (
    "--page:#fff;--ink:#1a212b;--muted:#515c69;--line:#8b96a3;--soft:#f5f7f9;--softer:#fbfcfd;"
    "--fill:#fff;--efa:#0a6a72;--efa-soft:#dff0f0;--store:#4b48a6;--store-soft:#ecebf8;"
    "--warn:#8a4b00;--warn-soft:#fdf0dc;--bad:#a61b1b;--bad-soft:#fbe6e4;--gpu:#e3e8ee;"
    "--use0:#0a6a72;--use1:#4b48a6;--use2:#7b8794;--use3:#8a4b00;--free:#e3e8ee"
)
DARK: Final = (
    "--page:#11161c;--ink:#e7ecf1;--muted:#a9b4bf;--line:#5f6b78;--soft:#171d24;--softer:#141a20;"
    "--fill:#1d242c;--efa:#5cc8cf;--efa-soft:#123438;--store:#aaa6f5;--store-soft:#262548;"
    "--warn:#f0b45f;--warn-soft:#3a2a10;--bad:#ff8f86;--bad-soft:#43191a;--gpu:#2c353f;"
    "--use0:#5cc8cf;--use1:#aaa6f5;--use2:#8a96a3;--use3:#f0b45f;--free:#2c353f"
)
FONT: Final = 'Inter,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif'

SHAPES: Final = f"""
.topology{{display:block;width:100%;height:auto;font-family:{FONT}}}
.topology text{{fill:var(--ink);text-rendering:geometricPrecision}}
.topology .s{{font-size:12px}}.topology .n{{font-size:13px}}.topology .l{{font-size:15px}}
.topology .b{{font-weight:600}}.topology text.m{{fill:var(--muted)}}
.topology text.warn{{fill:var(--warn)}}
.topology rect{{stroke-width:1;fill:var(--fill);stroke:var(--line)}}
.topology .region{{fill:var(--page);stroke:none}}
.topology .vpc{{fill:var(--soft)}}.topology .zone{{fill:none;stroke-dasharray:4 3}}
.topology .subnet{{fill:var(--fill)}}.topology .plain{{fill:none}}
.topology .placement{{fill:var(--softer);stroke:var(--efa)}}
.topology .nodes{{fill:none;stroke:none}}.topology .node{{fill:var(--fill)}}
.topology .behind{{fill:var(--gpu)}}
.topology .storage{{fill:var(--store-soft);stroke:var(--store)}}
.topology .slurm{{fill:var(--warn-soft);stroke:var(--warn)}}
.topology .unknown{{stroke-dasharray:2 3}}
.topology .gpu{{fill:var(--gpu)}}.topology .card{{fill:var(--softer)}}
.topology .chip{{fill:var(--softer)}}
.topology .chip.efa{{fill:var(--efa-soft);stroke:var(--efa)}}
.topology .chip.ip{{fill:var(--gpu)}}.topology .chip.none{{stroke-dasharray:2 3}}
.topology .chip.store{{fill:var(--fill);stroke:var(--store)}}
.topology .chip.job{{fill:var(--fill);stroke:var(--warn)}}
.topology .chip.reserved{{fill:var(--efa-soft);stroke:var(--efa)}}
.topology .chip.wide{{fill:var(--warn-soft);stroke:var(--warn)}}
.topology .chip.role{{fill:var(--gpu)}}.topology .chip.unknown{{stroke-dasharray:2 3}}
.topology .both{{fill:var(--efa);stroke:none}}
.topology .bar{{fill:var(--free);stroke:none}}
.topology .use0{{fill:var(--use0);stroke:none}}.topology .use1{{fill:var(--use1);stroke:none}}
.topology .use2{{fill:var(--use2);stroke:none}}.topology .use3{{fill:var(--use3);stroke:none}}
.topology .line{{fill:none;stroke:var(--line);stroke-width:1.5}}
.topology .thick{{stroke-width:3}}.topology .efa-line{{stroke:var(--efa)}}
.topology .store-line{{stroke:var(--store)}}
.topology .bad-line{{stroke:var(--bad);stroke-dasharray:5 4}}
.topology .unknown-line{{stroke-dasharray:2 4}}
.topology .head{{fill:context-stroke;stroke:none}}
"""

STYLE: Final = (
    f"svg{{{LIGHT}}}@media screen and (prefers-color-scheme:dark){{svg{{{DARK}}}}}{SHAPES}"
)
"""The style of a picture that is a file of its own."""
