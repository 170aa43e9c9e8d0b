"""A plan as one HTML file with its pictures in it: nothing is fetched, both themes are served."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from ultracluster.plan.report import Report
from ultracluster.style_sheet import style_sheet


def page(report: Report) -> str:
    templates = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    source = (files("ultracluster.plan") / "page.html.jinja").read_text("utf-8")
    return templates.from_string(source).render(report=report, style=style_sheet()) + "\n"
