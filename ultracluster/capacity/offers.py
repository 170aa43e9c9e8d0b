"""What AWS offers to buy ahead, and what of it a run needs; every call only reads."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue import offerings
from ultracluster.catalogue.instances import InstanceType
from ultracluster.planner.goodput import SECONDS_PER_DAY
from ultracluster.planner.plan import plan
from ultracluster.planner.question import Question
from ultracluster.planner.uncertainty import uncertainty

EXA: Final = 1e18
BLOCK, PLAN = "Capacity Block", "training plan"
HOURS_PER_DAY: Final = 24
SECONDS_PER_HOUR: Final = SECONDS_PER_DAY // HOURS_PER_DAY
TARGET: Final = "training-job"


@dataclass(frozen=True)
class Run:
    """What is to be trained, as planned."""

    nodes: int
    hours: float
    """With failures, restarts and checkpoints."""
    likely: tuple[float, float]
    """Range of the hours: with what is in doubt for the better, and for the worse."""
    exaflop: float
    """Useful work of the model, 10^18 operations; nothing for what is computed twice."""


def planned(question: Question) -> Run:
    """Return what a question's answer needs.

    Raises:
        PlanError: where there is no plan.
    """
    found = plan(question)
    low, high = uncertainty(found).days
    flops = question.tokens * question.shape.model_flops_per_token
    outcome = found.outcome
    likely = low * HOURS_PER_DAY, high * HOURS_PER_DAY
    return Run(outcome.nodes, outcome.days * HOURS_PER_DAY, likely, flops / EXA)


@dataclass(frozen=True)
class Offer:
    """Something that can be bought, held against the run."""

    kind: str
    offering: str
    """Its id."""
    zone: str
    """Id of the zone, or its name where that is not known."""
    start: datetime
    end: datetime
    instances: int
    hours: float
    """In which instances run."""
    fee: float
    """Paid up front, in `currency`."""
    currency: str
    run: Run
    in_zone: bool
    """Whether it lies where the environment does."""

    @property
    def margin(self) -> float:
        """Hours left after the run as planned; less than 0 where it does not end in time."""
        return self.hours - self.run.hours

    @property
    def margins(self) -> tuple[float, float]:
        """The same where things go badly, and where they go well."""
        return self.hours - self.run.likely[1], self.hours - self.run.likely[0]

    @property
    def covers(self) -> float:
        """Part of the run that it is enough for."""
        return min(1.0, self.hours / self.run.hours)

    @property
    def fits(self) -> str:
        """Whether the run ends in time: `yes`, `perhaps` or `no`."""
        if self.margin < 0:
            return "no"
        return "yes" if self.margins[0] >= 0 else "perhaps"

    @property
    def per_exaflop(self) -> float:
        """What 10^18 useful operations cost: the whole fee, over the work that is done in it."""
        return self.fee / (self.run.exaflop * self.covers)

    @property
    def rank(self) -> tuple[object, ...]:
        """Sort key: what fits, in the environment's own zone, for the least money, the soonest."""
        order = ("yes", "perhaps", "no")
        price = self.fee if self.margin >= 0 else self.per_exaflop
        return order.index(self.fits), not self.in_zone, price, self.start

    def command(self, region: str, name: str) -> str:
        """Return the command that would buy it."""
        words = ["aws", "ec2", "purchase-capacity-block", "--region", region]
        words += ["--capacity-block-offering-id", self.offering, "--instance-platform"]
        if self.kind == BLOCK:
            return shlex.join([*words, "Linux/UNIX"])
        words = ["aws", "sagemaker", "create-training-plan", "--region", region]
        words += ["--training-plan-name", f"{name}-{self.start:%Y-%m-%d}"]
        return shlex.join([*words, "--training-plan-offering-id", self.offering])


Asked = Callable[[int], Iterator[Offer]]


@dataclass(frozen=True)
class Market:
    """Asks for what a run on instances of a type could be bought as."""

    cloud: Cloud
    region: str
    instance: InstanceType
    zone_id: str
    run: Run
    size: int
    first: datetime

    def blocks(self) -> Iterator[Offer]:
        """Yield Capacity Blocks.

        Raises:
            CloudError: where AWS refuses.
        """
        zones = self._zones()
        for hours in self._lengths(block=True):
            answer = self.cloud.ask(
                "ec2",
                "describe_capacity_block_offerings",
                InstanceType=self.instance.name,
                InstanceCount=self.size,
                CapacityDurationHours=hours,
                StartDateRange=self.first,
            )
            for row in answer.get("CapacityBlockOfferings", ()):
                spans = [(row["StartDate"], row["EndDate"])]
                identity = (BLOCK, row["CapacityBlockOfferingId"])
                yield self._offer(identity, zones, row, row["AvailabilityZone"], spans)

    def plans(self) -> Iterator[Offer]:
        """Yield training plans of SageMaker.

        Raises:
            CloudError: where AWS refuses.
        """
        zones = self._zones()
        for hours in self._lengths(block=False):
            answer = self.cloud.ask(
                "sagemaker",
                "search_training_plan_offerings",
                InstanceType=self.instance.sagemaker_training_type,
                InstanceCount=self.size,
                DurationHours=hours,
                StartTimeAfter=self.first,
                TargetResources=[TARGET],
            )
            for row in answer.get("TrainingPlanOfferings", ()):
                parts = sorted(row["ReservedCapacityOfferings"], key=lambda each: each["StartTime"])
                spans = [(part["StartTime"], part["EndTime"]) for part in parts]
                identity = (PLAN, row["TrainingPlanOfferingId"])
                yield self._offer(identity, zones, row, parts[0]["AvailabilityZone"], spans)

    def _lengths(self, *, block: bool) -> list[int]:
        """Return the lengths that hold the run as planned, and where it goes badly."""
        needed = (self.run.hours, self.run.likely[1])
        return sorted({offerings.hours_for(each, block=block) for each in needed})

    def _zones(self) -> Mapping[str, str]:
        """Return the id of each zone by its name, which each account has for itself."""
        try:
            answer = self.cloud.ask("ec2", "describe_availability_zones")
        except CloudError:
            return {}
        return {zone["ZoneName"]: zone["ZoneId"] for zone in answer["AvailabilityZones"]}

    def _offer(
        self,
        identity: tuple[str, str],
        zones: Mapping[str, str],
        row: Mapping[str, Any],
        zone: str,
        spans: list[tuple[datetime, datetime]],
    ) -> Offer:
        lost = offerings.LAST_HOURS * (identity[0] == BLOCK)
        hours = sum((end - start).total_seconds() / SECONDS_PER_HOUR - lost for start, end in spans)
        place = zones.get(zone, zone)
        return Offer(
            *identity,
            place,
            spans[0][0],
            spans[-1][1],
            self.size,
            hours,
            float(row["UpfrontFee"]),
            row.get("CurrencyCode", "USD"),
            self.run,
            place == self.zone_id,
        )


def found(market: Market) -> tuple[list[Offer], list[str]]:
    """Return what is offered, the best first, and why there is not more."""
    offers: list[Offer] = []
    said: list[str] = []
    instance = market.instance
    kinds: Iterable[tuple[str, bool, Callable[[], Iterator[Offer]]]] = (
        (BLOCK, instance.capacity_blocks, market.blocks),
        (PLAN, instance.sagemaker_training_type in offerings.PLAN_TYPES, market.plans),
    )
    for kind, sold, ask in kinds:
        if not sold:
            said.append(f"{kind}s: {instance.name} is not sold so")
            continue
        try:
            some = {offer.offering: offer for offer in ask()}
        except CloudError as error:
            why = f"the caller may not ask; allow {error.action}" if error.refused else str(error)
            said.append(f"{kind}s: {why}")
            continue
        if not some:
            what = f"{market.size} x {instance.name} in {market.region}"
            said.append(f"{kind}s: none of {what} is offered now")
        offers += some.values()
    return sorted(offers, key=lambda offer: offer.rank), said
