"""The page of the alarms, written from what the planted faults were seen to do.

python -m tests.observe.catalogue
"""

import tempfile
from pathlib import Path
from typing import Final

from tests.observe import aws
from tests.observe.faults import FAULTS
from tests.observe.hour import ALARMS, FAULT_AFTER, HOUR, Server, fires, prometheus, samples
from tests.repository import ROOT
from ultracluster.catalogue.alarms import ServiceAlarm, service_alarms

PAGE: Final = ROOT / "docs" / "operate" / "alarms.md"
HEAD: Final = """# Alarms: what wakes you, and what to do

Written by `python -m tests.observe.catalogue` from `ultracluster/catalogue/alarms.toml` and
`service_alarms.toml`: change those, and nothing here by hand.

Tests plant the faults below, {count} in all. Each alarm fires by the faults that it names, and
stays silent through an undisturbed hour. The nodes' own program measures nodes with stand-ins for
GPUs, fabric, file system and Slurm, on a fast clock, and a real Prometheus evaluates the alarm's
query every {every} seconds, as CloudWatch does on AWS (where none of this has run). Seconds count
from the fault to the alarm. Alarms on what AWS itself measures are [at the
end](#on-what-aws-itself-measures). The environment also has alarms on [reserved capacity that
nobody uses](../cost.md#aws-budgets) and on [money](../cost.md#aws-budgets).

An alarm goes to `budget.notify` of the environment; each address confirms its subscription
once. For a chat, subscribe its e-mail address, or Amazon Q Developer in chat applications, to
the topic. `observability=ObservabilitySpec(without=("memory-short",))` leaves an alarm out. The
message is the description of the alarm: what it means, what causes it, the first command, and a
link to this page.
"""


AWS: Final = """## On what AWS itself measures

No account sent these metrics. Tests plant what AWS sends of a fault, as its guides describe it,
and a stand-in for CloudWatch (`tests/observe/cloudwatch.py`) evaluates the alarms that CDK writes.
Each fires by its own fault and by no other, and stays silent through an undisturbed hour. Seconds
count from the fault to the end of the period that decides, without the delay of AWS's samples.

### Reserved capacity that nobody uses

See [AWS Budgets](../cost.md#aws-budgets).

"""


def page(server: Server) -> str:
    """Return the page, with the seconds that were measured."""
    parts = [HEAD.format(count=len(FAULTS), every=15)]
    for name, alarm in ALARMS.items():
        rows = [
            f"| {fault} | {_seconds(server, name, fault)} |"
            for fault, planted in FAULTS.items()
            if name in planted.alarms
        ]
        parts.append(
            f"## {name}\n\n{alarm.means}\n\n"
            f"- Likely: {alarm.causes}\n- First: {alarm.first}\n\n"
            f"```promql\n{alarm.query}\n```\n\n"
            "| fault | seconds until it fires |\n| --- | --- |\n" + "\n".join(rows) + "\n"
        )
    idle = AWS + _rows(aws.IDLE)
    return "\n".join([*parts, idle, *(_of_aws(alarm) for alarm in service_alarms().values())])


def _rows(alarm: str) -> str:
    """Return the table of faults on AWS's own metrics of which an alarm tells."""
    rows = ["| fault | seconds until it fires |", "| --- | --- |"]
    for fault, planted in aws.FAULTS.items():
        if planted.alarm == alarm:
            at = aws.cloudwatch().fires(alarm, aws.events(planted), aws.HOUR)
            rows.append(f"| {fault} | {'never' if at is None else at - aws.FAULT_AFTER} |")
    return "\n".join(rows) + "\n"


def _of_aws(alarm: ServiceAlarm) -> str:
    measured = alarm.query or alarm.pattern or f"{alarm.metric}, by {alarm.of}"
    minutes = f"{5 * alarm.periods} minutes" if alarm.periods > 1 else "five minutes"
    return (
        f"### {alarm.name}\n\n{alarm.means}\n\n"
        f"- Likely: {alarm.causes}\n- First: {alarm.first}\n"
        f"- Fires above {alarm.above}, for {minutes}, of: `{measured}`\n\n"
        f"{_rows(alarm.name)}"
    )


def _seconds(server: Server, alarm: str, fault: str) -> str:
    at = fires(server, alarm, fault, FAULT_AFTER + FAULTS[fault].seconds)
    return "never" if at is None else str(at - FAULT_AFTER)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with prometheus(folder, samples(folder / "nodes", FAULTS, HOUR)) as running:
            PAGE.write_text(page(running))
