"""One environment in two Regions of one account."""

from pathlib import Path

import app
from tests.rehearse.conftest import Deployer
from tests.repository import ENVIRONMENTS
from ultracluster.emulator.process import Emulator
from ultracluster.prove.proof import Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.budget import PriceSpec

DEV = next(spec for spec in ENVIRONMENTS if spec.name == "dev")

UNKNOWN_IN_THE_WEST = (
    *("ebs/gp3/storage", "fsx-lustre/SCRATCH_2-SSD/storage", "s3/standard/storage"),
    *("nat-gateway/hour", "nat-gateway/data", "public-ipv4/hour", "kms/key"),
    *("interface-endpoint/hour", "interface-endpoint/data"),
    *("cloudwatch-logs/ingested", "cloudwatch-logs/stored", "cloudwatch-metrics/otlp"),
)
BUDGETS = {
    "us-east-1": DEV.budget,
    # What it costs is not the subject here.
    "us-west-2": DEV.budget.model_copy(
        update={
            "ceiling_usd_per_day": 1_000_000,
            "prices": tuple(
                PriceSpec(item=item, usd=0.01, source="assumed") for item in UNKNOWN_IN_THE_WEST
            ),
        }
    ),
}


def test_an_environment_of_the_same_name_in_a_second_region(emulator: Emulator, tmp_path: Path):
    """IAM and bucket names are one space for all Regions: none of ours may be taken there."""
    failures = []
    for region, zone in (("us-east-1", "use1-az6"), ("us-west-2", "usw2-az2")):
        where = {"region": region, "availability_zone_id": zone}
        spec = DEV.model_copy(update={**where, "budget": BUDGETS[region]})
        assembly = tmp_path / region
        app.build([spec], outdir=str(assembly)).synth()
        deployed = Deployer(emulator, assembly, accounts=800).deploy(spec)
        results = prove(PROOFS, Evidence(spec, deployed.deployment, deployed.cloud))
        failures += [str(check) for checks in results.values() for check in checks if not check.ok]

    assert failures == []
