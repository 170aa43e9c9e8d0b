"""What the page and its Markdown say, in whatever they are shown."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.repository import ENVIRONMENTS
from tests.review.subjects import GOLDEN, HERE, ROOT, golden, planted, reviewed
from tests.rules.cluster_templates import resource
from ultracluster.catalogue.instances import has_accelerator, vcpus_by_size
from ultracluster.review.changes.change import Danger
from ultracluster.review.page.contents import cost, values, verdict
from ultracluster.review.page.pages import Provenance, html, markdown, provenance
from ultracluster.review.report import Review
from ultracluster.review.resource_types import days
from ultracluster.review.three_ways import ThreeWays
from ultracluster.rules.engine import RULES

(STAGING,) = [each for each in ENVIRONMENTS if each.name == "staging"]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Review:
    """Return the review of dangerous changes."""
    return reviewed(planted(tmp_path_factory.mktemp("x")), str(GOLDEN / "ultracluster"))


def test_one_edit_of_many_resources_is_one_line(tmp_path: Path):
    """Who no longer keeps data reads one cause with its places, not a row for each resource."""
    for path in (GOLDEN / "ultracluster").glob("*.template.json"):
        body = json.loads(path.read_text())
        for found in body["Resources"].values():
            if found.get("DeletionPolicy", "Delete") != "Delete":
                found |= {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
        (tmp_path / path.name).write_text(json.dumps(body))
    files = [f"ultracluster-{p.name.partition('.')[0]}={p}" for p in tmp_path.iterdir()]
    made = reviewed(files, str(GOLDEN / "ultracluster"))

    assert len(made.changes) > 8
    causes = [line for line in markdown(made).splitlines() if line.startswith("- **Deletion")]
    assert len(causes) < len(made.changes) / 3
    assert any(f"({count} places)" in line for line in causes for count in range(5, 20))
    assert html(made).count('<ul class="members">') <= len(causes)
    # What is said of one log group is said once of all, with the place of each.
    for text in (html(made), markdown(made)):
        assert text.count("up to 365 days of logs will be gone when the stack is deleted") <= 2
        for group in ("JobcompGroup", "ScalingGroup", "SchedulerGroup"):
            assert re.search(rf"Slurm/(<wbr>)?Logs/(<wbr>)?{group}/(<wbr>)?Resource", text)
    assert re.search(r"Most dangerous \(loses data, \d\d places\)", verdict(made))


def test_what_differs_is_not_called_the_same(tmp_path: Path):
    """A resource's name was taken out of the numbers as well: 3.5 TiB were "the same" as 2.5."""
    for folder in ("old", "new"):
        systems = {
            name: {
                "Type": "AWS::FSx::FileSystem",
                "Properties": {
                    "FileSystemType": "LUSTRE",
                    "StorageCapacity": gib,
                    "SubnetIds": [f"subnet-{folder}"],
                    "LustreConfiguration": {"DeploymentType": "SCRATCH_2"},
                },
            }
            for name, gib in (("2", 2560), ("3", 3584))
        }
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "S.json").write_text(json.dumps({"Resources": systems}))
    text = markdown(reviewed([str(tmp_path / "new")], str(tmp_path / "old")))

    assert "`S/2`: The file system 2 will be replaced by a new one: 2.5 TiB gone." in text
    assert "`S/3`: The file system 3 will be replaced by a new one: 3.5 TiB gone." in text


def test_the_verdict_names_what_was_changed_by_hand_where_that_is_worse():
    """Whoever approves a delivery reads the head of the page, and perhaps no more."""
    made = reviewed(golden("dev"), "golden")
    way = ThreeWays(Danger.LOSES_DATA, "dev/Logs", "RetentionInDays", 60, 7, 3, "by hand: 3 days")

    assert verdict(replace(made, ways=[way])).endswith("Worse (loses data): By hand: 3 days.")
    assert "Worse" not in verdict(made)


def test_a_long_list_of_what_has_no_price_is_counted(tmp_path: Path):
    """Three hundred names in the head of a page hide what stands below them."""
    nodes = {f"Node{number}": "t3.nano" for number in range(300)}
    said = cost(reviewed([_instances(tmp_path / "many", **nodes)]))

    assert said.endswith("and 288 more, all of them in the JSON")


def test_one_thing_has_no_plural(tmp_path: Path):
    """A headline with "1 resources" makes a reader doubt the other numbers."""
    made = reviewed([_instances(tmp_path / "one", Node="t3.nano")])

    assert made.headline.endswith("; 1 resource in 1 stack")
    assert days(1) == "1 day"
    assert days(2) == "2 days"
    vcpus = next(group.rows[0] for group in made.numbers if group.title == "Service quotas used")
    assert vcpus.note == "ec2 L-1216C47A; t3.nano has 2 vCPU by its size"


def test_long_values_are_shown_where_they_differ(tmp_path: Path):
    """Two values that are cut before they differ look the same."""
    common = [f"arn:aws:iam::aws:policy/Policy{number}" for number in range(12)]
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    for name, added in (("Before", []), ("After", ["arn:aws:iam::aws:policy/AdministratorAccess"])):
        body = {"AssumeRolePolicyDocument": trust, "ManagedPolicyArns": [*common, *added]}
        (tmp_path / name).mkdir()
        text = json.dumps({"Resources": {"Role": resource("AWS::IAM::Role", body)}})
        (tmp_path / name / "Stack.json").write_text(text)
    (change,) = reviewed(
        [str(tmp_path / "After" / "Stack.json")], str(tmp_path / "Before" / "Stack.json")
    ).changes

    before, after = values(change) or ("", "")
    assert before != after
    assert after.endswith('"arn:aws:iam::aws:policy/AdministratorAccess"]')


def test_money_is_shown_before_and_after(changed: Review):
    """A reviewer approves a bill: what it was, what it will be, and the difference a day."""
    money = changed.money
    assert money is not None
    assert money.before is not None
    assert money.after < money.before
    for text in (html(changed), markdown(changed)):
        assert f"{money.after:,.2f} USD a day for nodes, Lustre, NAT gateways, endpoints" in text
        assert f"before {money.before:,.2f} USD (" in text
    same = html(reviewed(golden("dev"), "golden"))
    assert "(no difference)" in same
    unknown = reviewed([str(HERE / "foreign.yaml")], region=None)
    assert "write --region" in html(unknown)


def _instances(folder: Path, **types: str) -> str:
    """Return a template of one instance of each type."""
    nodes = {n: resource("AWS::EC2::Instance", {"InstanceType": t}) for n, t in types.items()}
    folder.mkdir()
    (folder / "Stack.json").write_text(json.dumps({"Resources": nodes}))
    return str(folder / "Stack.json")


def test_a_price_that_is_not_known_is_no_difference_of_nothing(tmp_path: Path):
    """An instance without a price becomes one with a price: the bill did not grow by all of it."""
    unpriced = _instances(tmp_path / "unpriced", Node="t3.medium")
    priced = _instances(tmp_path / "priced", Node="p4d.24xlarge")

    said = cost(reviewed([priced], unpriced))
    assert "before 0.00 USD" not in said
    assert "not in the sum before: nodes Node" in said
    assert cost(reviewed([unpriced])) == "not known: no price is known of nodes Node"
    more = _instances(tmp_path / "more", Node="t3.medium", Big="p4d.24xlarge")
    less = _instances(tmp_path / "less", Node="t3.nano", Big="p4d.24xlarge")
    assert "(no difference)" not in cost(reviewed([more], less))
    assert "(no difference)" in cost(reviewed([more], more))


def test_an_environment_has_the_prices_of_its_budget_and_the_sum_of_its_cost_sheet():
    """Two sums on one page are a contradiction, as long as it does not say what each is of."""
    made = reviewed(golden("staging"), "golden", spec=STAGING)
    assert made.money is not None

    assert f"{STAGING.cost_sheet().full.per_day:,.2f} USD a day (ultracluster cost)" in cost(made)
    assert not [name for name in made.money.left_out if "Slurm" in name]
    assert "not in the sum: EFS Homes" in cost(made)
    rows = next(group.rows for group in made.numbers if group.title == "Cost")
    assert f"{STAGING.cost_sheet().full.per_day:,.0f} a day" in rows[0].value


def test_a_review_says_when_and_by_what_it_was_made(changed: Review):
    """A page that is read next month is held against what was true today."""
    made = Provenance("2026-11-27", "0123456789ab-dirty", {"aws-cdk-lib": "2.275.0"})
    rules = f"{len(RULES)} fabric rules"
    for text in (html(changed, made), markdown(changed, made)):
        for said in ("2026-11-27", "0123456789ab-dirty", "aws-cdk-lib 2.275.0", rules):
            assert said in text


def test_a_sample_is_the_same_every_day(changed: Review):
    """Samples are compared byte for byte: no date, commit or version is in them."""
    today = provenance(ROOT)

    assert today.commit
    assert today.versions["cfn-lint"]
    for text in (html(changed), markdown(changed)):
        # A rule may have been read today.
        assert today.date not in text.replace(f"read {today.date}", "")
        assert f"cfn-lint {today.versions['cfn-lint']}, " not in text


def assembly(folder: Path, **properties: Any) -> str:
    """Return an assembly of two stacks, of which one has properties."""
    (folder / "S.template.json").write_text(json.dumps({"Resources": {"B": BUCKET}}))
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "S.template.json"}}
    kept = {**stack, "properties": {**stack["properties"], **properties}}  # type: ignore[dict-item]
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Kept": kept, "Free": stack}}))
    return str(folder)


BUCKET = resource("AWS::S3::Bucket", {})


def test_termination_protection_is_shown_for_each_stack(tmp_path: Path):
    """It is a setting of the stack: an assembly has it, a template alone does not."""
    made = reviewed([assembly(tmp_path, terminationProtection=True)])

    assert [(size.name, size.protection) for size in made.sizes] == [
        ("Kept", "on"),
        ("Free", "off"),
    ]
    assert '<th scope="row">Kept</th><td>on</td>' in html(made)
    assert "| `Free` | off |" in markdown(made)
    assert "not in the template" in html(reviewed(golden("dev")))


@pytest.mark.parametrize(
    ("name", "vcpus"),
    [
        ("m6i.xlarge", 4),
        ("c6i.32xlarge", 128),
        ("t3.micro", 2),
        ("m7g.medium", 1),
        ("r8g.metal-24xl", 96),
        # Of these the size does not tell it: 36, 96 and 1.
        ("c4.8xlarge", None),
        ("hpc6a.48xlarge", None),
        ("t2.micro", None),
        ("c5.metal", None),
        ("g5.xlarge", None),
    ],
)
def test_vcpus_follow_from_the_size_where_it_tells(name: str, vcpus: int | None):
    """DescribeInstanceTypes, as moto 5.2.5 has it, says the same of 1,216 types."""
    assert vcpus_by_size(name) == vcpus
    assert has_accelerator(name) is (name == "g5.xlarge")


def test_ordinary_nodes_count_against_their_quota():
    """A login node takes its vCPU of the account's quota like every other instance."""
    found = {row.what: row for group in reviewed(golden("staging")).numbers for row in group.rows}
    (standard,) = (row for what, row in found.items() if what.startswith("Running On-Demand Stand"))

    assert standard.value.endswith(" vCPU")
    assert "by its size" in standard.note
