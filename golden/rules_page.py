"""Write the page of all fabric rules.

python -m golden.rules_page
"""

from collections import Counter
from pathlib import Path
from typing import Final

from golden.pages import rendered
from ultracluster.rules.acknowledgements import OBJECTIONS
from ultracluster.rules.engine import RULES, explained

PAGE: Final = Path(__file__).parents[1] / "docs" / "rules.md"
TITLES: Final = {
    "FABRIC": "Elastic Fabric Adapter and the network under it",
    "CAPACITY": "Placement, reservations, Capacity Blocks",
    "LUSTRE": "FSx for Lustre",
    "SAGEMAKER": "SageMaker training, HyperPod and roles",
    "SLURM": "AWS Parallel Computing Service",
    "SAFETY": "Data, and what nodes run",
    "OPERATE": "What is seen and heard of a cluster that runs",
}
"""Families of rules, in the order of the page."""


def page() -> str:
    rules = list(RULES.values())
    text = rendered(
        "rules.md.jinja",
        rules=rules,
        severities=Counter(rule.severity for rule in rules),
        objections=OBJECTIONS,
        titles=TITLES,
        explained=explained,
    )
    return f"{text.rstrip()}\n"


if __name__ == "__main__":
    PAGE.write_text(page())
