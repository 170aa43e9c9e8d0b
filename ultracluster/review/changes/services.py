"""What single services do with a change: Slurm, databases, Kubernetes, flow logs, Batch."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.settings import BATCH, DATABASE, EKS, JOBS, MODIFY
from ultracluster.review.changes.sources import api, unverified
from ultracluster.review.changes.verdict import Site, Verdict, changed, going
from ultracluster.review.changes.words import count, known_text


@changed("AWS::PCS::Cluster")
def slurm_settings(site: Site) -> Iterator[Verdict]:
    """Judge the version of Slurm, and whether it keeps accounts of jobs."""
    if site.path == ("Scheduler", "Version"):
        was, now, older = _versions(site)
        yield Verdict(
            Danger.FAILS if older else Danger.INTERRUPTS,
            f"Slurm {was} cannot become {now}: it does not go back to an older version"
            if older
            else f"Slurm goes from {was} to {now}: submitting and starting jobs waits while the "
            "controller changes, and the agent on the nodes has to fit it",
            api("PCS", "UpdateCluster: every queue and node group must be ACTIVE; ")
            + unverified("Slurm upgrades"),
            "make a second cluster with the older version" if older else "drain the queues first",
        )
    accounting = ("SlurmConfiguration", "Accounting")
    if site.touches(*accounting):
        mode = [known_text(v) or "NONE" for v in site.both(*accounting, "Mode")]
        days = [count(v) or -1 for v in site.both(*accounting, "DefaultPurgeTimeInDays")]
        why = api("PCS", "UpdateCluster, accounting: -1 keeps records as long as the cluster")
        if mode == ["STANDARD", "NONE"]:
            yield Verdict(Danger.LOSES_DATA, "no account of jobs is kept any more", why)
        elif mode == ["NONE", "STANDARD"]:
            yield Verdict(Danger.COSTS_MORE, "accounts of jobs are kept, and billed", why)
        elif days[0] != days[1]:
            kept = ["as long as the cluster" if d < 0 else f"{d:,} days" for d in days]
            sooner = days[1] >= 0 and (days[0] < 0 or days[1] < days[0])
            yield Verdict(
                Danger.LOSES_DATA if sooner else Danger.COSTS_MORE,
                f"accounts of jobs are kept {kept[1]} instead of {kept[0]}",
                why,
            )


def _versions(site: Site) -> tuple[str | None, str | None, bool]:
    """Return the version before and after, and whether it is known to go back."""
    was, now = (known_text(value) for value in (site.was, site.now))
    return was, now, was is not None and now is not None and _version(now) < _version(was)


def _version(written: str) -> list[int]:
    return [int(part) for part in written.split(".") if part.isdigit()]


@changed("AWS::PCS::ComputeNodeGroup")
def purchase(site: Site) -> Iterator[Verdict]:
    """Judge how nodes are bought."""
    if site.path != ("PurchaseOption",):
        return
    was, now = (known_text(value) or "ONDEMAND" for value in (site.was, site.now))
    why = f"{api('PCS', 'UpdateComputeNodeGroup, purchaseOption')}; {unverified('EC2 Spot')}"
    if now == "SPOT":
        yield Verdict(
            Danger.INTERRUPTS,
            f"nodes of {site.name} are Spot instances: EC2 takes them back from running jobs, and "
            "they take no place of a capacity reservation",
            why,
            "keep ONDEMAND for jobs over several nodes",
        )
    elif was == "SPOT":
        yield Verdict(Danger.COSTS_MORE, f"nodes of {site.name} are no longer Spot instances", why)
    else:
        yield Verdict(
            Danger.INTERRUPTS, f"nodes of {site.name} are bought as {now} instead of {was}", why
        )


@changed(DATABASE)
def database_class(site: Site) -> Iterator[Verdict]:
    """Judge another size of a database."""
    if site.path == ("DBInstanceClass",):
        yield Verdict(
            Danger.INTERRUPTS,
            f"{site.name} restarts as {known_text(site.now) or 'another class'}",
            f"{MODIFY}, DBInstanceClass",
        )


@changed(EKS)
def kubernetes(site: Site) -> Iterator[Verdict]:
    """Judge the version of Kubernetes."""
    if site.path != ("Version",):
        return
    was, now, older = _versions(site)
    yield Verdict(
        Danger.FAILS if older else Danger.INTERRUPTS,
        f"EKS does not take {site.name} back from Kubernetes {was} to {now}"
        if older
        else f"the control plane of {site.name} goes from Kubernetes {was} to {now}; nodes keep "
        "theirs until they are made anew, and programs may use what is no longer there",
        f"{api('EKS', 'UpdateClusterVersion')}; {unverified('Kubernetes upgrades')}",
    )


RECORDED: Final = {"ACCEPT": "let through", "REJECT": "refused"}


@changed("AWS::EC2::FlowLog")
def recorded(site: Site) -> Iterator[Verdict]:
    """Judge which traffic is recorded."""
    if site.path == ("TrafficType",) and known_text(site.was) == "ALL":
        left = RECORDED.get(known_text(site.now) or "", "not known")
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"only traffic that is {left} is recorded",
            api("EC2", "CreateFlowLogs, TrafficType"),
        )


GOING: Final[Mapping[str, tuple[str, str]]] = {
    EKS: ("everything that runs in it ends", api("EKS", "DeleteCluster")),
    BATCH: ("its instances end, with the jobs on them", JOBS),
}


@going(*GOING)
def stopped(site: Site) -> Iterator[Verdict]:
    """Judge what ends with its environment."""
    assert site.old is not None  # noqa: S101  (it was there)
    what, why = GOING[site.old.resource_type]
    yield Verdict(Danger.INTERRUPTS, f"{what}: {site.name} is deleted", why)
    yield Verdict(Danger.REDUCES_CAPACITY, "its nodes are in no template any more", why)
