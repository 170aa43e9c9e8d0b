"""Offers of Capacity Blocks and training plans, compared to a planned run; it only reads."""

import math
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue import offerings
from ultracluster.catalogue.instances import InstanceType
from ultracluster.planner.plan import plan
from ultracluster.planner.question import Question
from ultracluster.planner.uncertainty import uncertainty

EXA: Final = 1e18
BLOCK, PLAN = "Capacity Block", "training plan"
BUY: Final = {
    BLOCK: "aws ec2 purchase-capacity-block --region {region} --capacity-block-offering-id {id} "
    "--instance-platform Linux/UNIX",
    PLAN: "aws sagemaker create-training-plan --region {region} "
    "--training-plan-name from-{start:%Y-%m-%d} --training-plan-offering-id {id}",
}
FITS: Final = ("yes", "perhaps", "no")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What is to be trained, as planned."""

    nodes: int
    hours: float
    """With failures, restarts and checkpoints."""
    likely: tuple[float, float]
    """Range of the hours, of what is in doubt."""
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
    return Run(found.outcome.nodes, 24 * found.outcome.days, (24 * low, 24 * high), flops / EXA)


@dataclass(frozen=True)
class Offer:
    """Something that can be bought, held against the run."""

    kind: str
    id: str
    zone: str
    """Id of the zone, or its name where that is not known."""
    in_zone: bool
    """Whether it lies where the environment does."""
    start: datetime
    end: datetime
    instances: int
    hours: float
    """In which instances run."""
    fee: float
    """Paid up front, in `currency`."""
    currency: str
    fits: str
    """`yes` also where the run goes badly, `perhaps` as it is planned, or `no`."""
    margin: float
    """Hours left after the run as planned; less than 0 where it does not end in time."""
    margins: tuple[float, float]
    """The same where things go badly, and where they go well."""
    covers: float
    """Part of the run that it is enough for."""
    per_exaflop: float
    """What 10^18 useful operations cost: the whole fee, over the work that is done in it."""
    command: str
    """What would buy it."""


@dataclass(frozen=True)
class Market:
    """Asks what a run on so many instances could be bought as."""

    cloud: Cloud
    region: str
    instance: InstanceType
    zone_id: str
    run: Run
    size: int
    first: datetime

    def offers(self) -> tuple[list[Offer], list[str]]:
        """Return what is offered, the best first, and why there is not more."""
        offers: list[Offer] = []
        said: list[str] = []
        for kind, sold in (
            (BLOCK, self.instance.capacity_blocks),
            (PLAN, self.instance.sagemaker_training_type in offerings.PLAN_TYPES),
        ):
            some: list[Offer] = []
            why = f"none of {self.size} x {self.instance.name} in {self.region} is offered now"
            try:
                some = list(self._offers_of(kind)) if sold else []
            except CloudError as error:
                why = (
                    f"the caller may not ask; allow {error.action}" if error.refused else str(error)
                )
            if not some:
                said.append(f"{kind}s: {why if sold else f'{self.instance.name} is not sold so'}")
            offers += {offer.id: offer for offer in some}.values()
        return sorted(offers, key=_rank), said

    def _offers_of(self, kind: str) -> Iterator[Offer]:
        """Yield offers of the lengths that hold the run as planned, and where it goes badly."""
        zones = self.cloud.ask("ec2", "describe_availability_zones")["AvailabilityZones"]
        ids = {zone["ZoneName"]: zone["ZoneId"] for zone in zones}
        needed = (self.run.hours, self.run.likely[1])
        for hours in sorted({offerings.hours_for(each, block=kind == BLOCK) for each in needed}):
            for row in (self._blocks if kind == BLOCK else self._plans)(hours):
                runs = sum((end - start).total_seconds() for start, end in row["spans"]) / 3600
                if (usable := runs - offerings.LAST_HOURS * (kind == BLOCK)) > 0:
                    yield self._offer(kind, ids, row, usable)

    def _blocks(self, hours: int) -> Iterator[Row]:
        answer = self.cloud.ask(
            "ec2",
            "describe_capacity_block_offerings",
            InstanceType=self.instance.name,
            InstanceCount=self.size,
            CapacityDurationHours=hours,
            StartDateRange=self.first,
        )
        for row in answer["CapacityBlockOfferings"]:
            spans = [(row["StartDate"], row["EndDate"])]
            yield {**row, "id": row["CapacityBlockOfferingId"], "spans": spans}

    def _plans(self, hours: int) -> Iterator[Row]:
        answer = self.cloud.ask(
            "sagemaker",
            "search_training_plan_offerings",
            InstanceType=self.instance.sagemaker_training_type,
            InstanceCount=self.size,
            DurationHours=hours,
            StartTimeAfter=self.first,
            TargetResources=["training-job"],
        )
        for row in answer["TrainingPlanOfferings"]:
            parts = sorted(row["ReservedCapacityOfferings"], key=lambda part: part["StartTime"])
            spans = [(part["StartTime"], part["EndTime"]) for part in parts]
            yield {**row, **parts[0], "id": row["TrainingPlanOfferingId"], "spans": spans}

    def _offer(self, kind: str, ids: Mapping[str, str], row: Row, hours: float) -> Offer:
        run, spans, zone = self.run, row["spans"], row["AvailabilityZone"]
        low, high = run.likely
        covers = min(1.0, hours / run.hours)
        named = shlex.quote(row["id"])
        buy = BUY[kind].format(region=self.region, id=named, start=spans[0][0])
        fee = _fee(kind, row["UpfrontFee"])
        return Offer(
            kind=kind,
            id=row["id"],
            zone=ids.get(zone, zone),
            in_zone=ids.get(zone, zone) == self.zone_id,
            start=spans[0][0],
            end=spans[-1][1],
            instances=self.size,
            hours=hours,
            fee=fee,
            currency=row.get("CurrencyCode", "USD"),
            fits=FITS[(hours < high) + (hours < run.hours)],
            margin=hours - run.hours,
            margins=(hours - high, hours - low),
            covers=covers,
            per_exaflop=fee / (run.exaflop * covers),
            command=buy,
        )


def _fee(kind: str, text: str) -> float:
    """Return what an offer costs; AWS writes it as a text."""
    with suppress(ValueError):
        if 0 <= (fee := float(text)) < math.inf:
            return fee
    raise CloudError(kind, "offer", "UpfrontFee", f"got {text!r:.60}, which is not a price")


def _rank(offer: Offer) -> tuple[object, ...]:
    """Sort what fits first, in the environment's own zone, for the least money, the soonest."""
    price = offer.per_exaflop if offer.fits == "no" else offer.fee
    return FITS.index(offer.fits), not offer.in_zone, price, offer.start
