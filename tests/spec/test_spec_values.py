"""A spec is a value: typed, frozen, and valid if it exists; it says all of its problems at once."""

import pydantic
import pytest

from tests.spec.samples import BLOCK, P4D, RESERVED, SCRATCH, changed, found, refused
from ultracluster.problem import MISSING, Problem, SpecError
from ultracluster.spec import queues
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.queues import ENVIRONMENTS_NODES, QueueSpec
from ultracluster.spec.slurm import CpuGroupSpec, HealthChecksSpec, SlurmSpec

SPECS = [EnvironmentSpec, LustreSpec, DataRepositorySpec, NetworkSpec, NodesSpec, SageMakerSpec]


def test_a_spec_cannot_be_changed():
    """What was judged is what is deployed."""
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        P4D.name = "other"  # type: ignore[misc] # refused, as the test says


def test_a_copy_with_changes_is_judged_like_any_other_spec():
    """Pydantic's own copy takes an update unseen: an invalid spec would exist."""
    assert P4D.model_copy(update={"name": "other"}).name == "other"
    assert P4D.model_copy() == P4D

    (problem,) = refused(lambda: P4D.model_copy(update={"name": "Other"}))
    assert (problem.field, problem.got) == ("name", "Other")
    (problem,) = refused(lambda: P4D.model_copy(update={"nam": "other"}))
    assert problem.fix.endswith("write name")


def test_every_problem_is_reported_at_once():
    """One attempt shows all there is to change."""
    problems = refused(
        lambda: NodesSpec(  # type: ignore[call-arg] # there is no colour
            instance_type="p4d.24xlage",
            count=0,
            image="mine",
            root_volume_gib="200",  # type: ignore[arg-type] # not a number
            threads_per_core=4,  # type: ignore[arg-type] # nobody has four
            colour="red",
        )
    )

    assert {(p.field, p.got) for p in problems} == {
        ("instance_type", "p4d.24xlage"),
        ("count", 0),
        ("image", "mine"),
        ("root_volume_gib", "200"),
        ("threads_per_core", 4),
        ("colour", "red"),
    }


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_what_must_be_given_is_named_with_its_meaning(spec):
    """Somebody who writes `LustreSpec()` learns what there is to write."""
    required = [name for name, field in spec.model_fields.items() if field.is_required()]
    problems = refused(spec)

    assert [p.field for p in problems] == required
    for problem in problems:
        meaning = spec.model_fields[problem.field].description.split("\n")[0].rstrip(".")
        assert problem.got is MISSING
        assert problem.fix.startswith(f"write {problem.field}=... ({meaning}")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_field_has_a_meaning(spec):
    """Messages and the manual quote it."""
    assert [name for name, field in spec.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (
            lambda: changed(SCRATCH.storage, {"capacity_gb": 1200}),
            "capacity_gb: got 1200; LustreSpec has no field of that name; write capacity_gib",
        ),
        (
            lambda: SageMakerSpec(instances=1, colour="red"),  # type: ignore[call-arg] # no such field
            (
                'colour: got "red"; SageMakerSpec has no field of that name; '
                "remove it; the fields are instances"
            ),
        ),
        (
            lambda: SageMakerSpec(instances=True),
            (
                "instances: got True; write a whole number (Highest number of instances that all "
                "jobs use at a time, of the nodes' type in its `ml.` form)"
            ),
        ),
        (
            lambda: changed(SCRATCH.storage, {"keep_data": "no"}),
            (
                'keep_data: got "no"; write True or False '
                "(Whether file system, bucket and key are kept when the stack is deleted)"
            ),
        ),
        (
            lambda: changed(P4D.storage, {"metadata_iops": "auto"}),
            (
                'metadata_iops: got "auto"; write a whole number, "AUTOMATIC" or None '
                "(Metadata IOPS of PERSISTENT_2; they can be raised later, but not added later)"
            ),
        ),
        (
            lambda: changed(P4D, {"network": 5}),
            (
                "network: got 5; write a NetworkSpec or an ExistingNetworkSpec (The VPC: "
                "`NetworkSpec` creates one, `ExistingNetworkSpec` uses an existing one)"
            ),
        ),
    ],
)
def test_a_wrong_type_is_told_in_words_of_the_trade(build, line):
    """No `Annotated`, no `literal_error`, no link to pydantic."""
    assert [str(problem) for problem in refused(build)] == [line]


def test_a_long_value_is_cut():
    """A line stays a line, whatever was pasted into it."""
    (problem,) = refused(lambda: changed(P4D.nodes, {"image": "x" * 5000}))

    assert problem.got == "x" * 5000
    assert len(str(problem)) < 300


def test_an_error_is_a_value_error_that_shows_every_line():
    """Whoever builds a spec in a script of their own sees what is wrong without our commands."""
    with pytest.raises(ValueError, match="capacity_gib: got 1300") as caught:
        changed(P4D.storage, {"capacity_gib": 1300, "per_unit_storage_throughput": 300})

    assert isinstance(caught.value, SpecError)
    assert len(str(caught.value).splitlines()) == 2


def test_a_problem_knows_where_it_was_written():
    """The line of the call, in the file of the user."""
    (problem,) = refused(lambda: SageMakerSpec(instances=-1))

    assert problem.source is not None
    file, _, line = problem.source.rpartition(":")
    assert file == __file__
    assert "SageMakerSpec(instances=-1)" in open(file).readlines()[int(line) - 1]  # noqa: SIM115, PTH123


def test_the_same_problem_elsewhere_is_equal():
    """The place in a file says nothing about what is wrong."""
    assert Problem("a", 1, "b", "x:1") == Problem("a", 1, "b", "y:2")


def test_rules_that_need_a_faulty_value_are_silent_and_the_others_speak():
    """An unknown type leaves the addresses unknown; zone, storage and names are still judged."""
    problems = found(
        lambda: changed(
            P4D,
            {
                "nodes.instance_type": "banana",
                "nodes.image": "mine",
                "availability_zone_id": "us-east-1a",
                "storage.capacity_gib": 1300,
                "name": "Sample",
            },
        )
    )

    assert {p.field for p in problems} == {
        "nodes.instance_type",
        "nodes.image",
        "availability_zone_id",
        "storage.capacity_gib",
        "name",
    }


def test_a_value_of_a_wrong_type_hides_no_other_mistake_that_fsx_would_refuse():
    with pytest.raises(SpecError) as caught:
        LustreSpec(
            deployment_type="PERSISTENT_1",
            capacity_gib=2500,
            drive_cache_type=1,  # type: ignore[arg-type]
            throughput_capacity_mbps=4001,
            keep_data=True,
        )

    fields = {problem.field for problem in caught.value.problems}
    assert {"capacity_gib", "drive_cache_type", "throughput_capacity_mbps"} <= fields


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90 * 60),
        ("1:30", 90),
        ("2:00:01", 2 * 3600 + 1),
        ("1-2", 26 * 3600),
        ("1-2:03:04", 26 * 3600 + 3 * 60 + 4),
        ("UNLIMITED", float("inf")),
    ],
)
def test_times_are_read_as_slurm_reads_them(written: str, seconds: float):
    assert queues.seconds(written) == seconds


def test_jobs_that_name_no_queue_go_to_the_first():
    both = (QueueSpec(name="train"), QueueSpec(name="short"))

    assert SlurmSpec(queues=both).queue == "train"


def test_pcs_is_asked_to_check_what_a_group_has():
    """Its checks of GPUs run where there are some."""
    groups = (CpuGroupSpec(name="cpu", instance_type="c7i.large", count=1),)
    both = (QueueSpec(name="train", node_groups=(ENVIRONMENTS_NODES, "cpu")),)
    plain = SlurmSpec(version="26.05", queues=both, node_groups=groups, repairs=False)
    checks = HealthChecksSpec(deep_profile="QUICK")
    checked = plain.model_copy(update={"health_checks": checks})

    assert plain.instance_health_checks(P4D.nodes) == {}
    asked = checked.instance_health_checks(P4D.nodes)
    assert set(asked) == {ENVIRONMENTS_NODES, "cpu"}
    assert "QUICK" in str(asked[ENVIRONMENTS_NODES])
    assert "QUICK" not in str(asked["cpu"])


def test_an_alarm_that_is_left_out_is_one_that_there_is():
    left_out = "observability.without"

    assert changed(P4D, {left_out: ("job-hangs",)}).observability.without == ("job-hangs",)
    (problem,) = found(lambda: changed(P4D, {left_out: ("job-hangs", "job-hang")}))
    assert problem.field == "observability.without[1]"
    assert "(did you mean job-hangs?)" in problem.fix


def test_figures_of_a_cluster_follow_from_its_values():
    """What `check` and the rehearsal print."""
    assert RESERVED.nodes.accelerators == 32
    assert RESERVED.nodes.makes_reservation
    assert not P4D.nodes.makes_reservation
    assert P4D.storage.tebibytes == 2.34375
    assert P4D.storage.throughput_gbps == pytest.approx(0.5859375)
    assert SCRATCH.storage.throughput_gbps == pytest.approx(200 * 1200 / 1024 / 1000)


def test_an_image_for_other_accelerators_is_refused():
    """The default image drives NVIDIA GPUs: Trainium nodes would start and find nothing."""
    with pytest.raises(SpecError) as refused:
        NodesSpec(instance_type="trn1.32xlarge", count=2)

    (problem,) = refused.value.problems
    assert problem.field == "image"
    assert "accelerators of AWS" in problem.fix
    assert NodesSpec(
        instance_type="trn1.32xlarge", count=2, image="/mine/neuron-image"
    ).image.startswith("/mine")


@pytest.mark.parametrize("given", [{"cidr": "10.0.0.0/16"}, {}, {"instances": 3}])
def test_a_dictionary_is_no_spec(given):
    """It is refused where it stands, and never read as a class that nobody wrote."""
    with pytest.raises(SpecError) as wrong:
        changed(P4D, {"network": given})

    (problem,) = wrong.value.problems
    assert problem.field == "network"
    assert "NetworkSpec" in problem.fix
    assert str(given) in str(problem)


def test_a_stray_comma_is_seen():
    """A tuple for a text must not be shown as the text that was meant."""
    with pytest.raises(SpecError, match=r"got \('us-east-1',\)"):
        changed(P4D, {"region": ("us-east-1",)})


@pytest.mark.parametrize(
    ("cidr", "training", "public"),
    [
        ("10.0.0.0/16", "10.0.0.0/20", "10.0.240.0/28"),
        ("10.7.0.0/16", "10.7.0.0/20", "10.7.240.0/28"),
        ("192.168.64.0/20", "192.168.64.0/21", "192.168.79.0/28"),
        ("10.7.0.0/27", "10.7.0.0/28", "10.7.0.16/28"),
    ],
)
def test_a_vpc_divides_itself(cidr: str, training: str, public: str):
    """Whoever writes one block is not refused for blocks that nobody wrote."""
    network = NetworkSpec(cidr=cidr)

    assert network.training_subnet_cidrs == (training,)
    assert network.public_subnet_cidr == public
    assert network.model_copy(update={"cidr": "10.9.0.0/16"}) == NetworkSpec(cidr="10.9.0.0/16")


def test_the_nat_gateway_finds_room_beside_the_subnets_that_are_given():
    """Its usual place may be taken; where all is taken, that is said of what was written."""
    network = NetworkSpec(cidr="10.4.0.0/20", training_subnet_cidrs=("10.4.8.0/21",))
    assert network.public_subnet_cidr == "10.4.7.240/28"

    whole = {"cidr": "10.4.0.0/20", "training_subnet_cidrs": ("10.4.0.0/20",)}
    (problem,) = refused(lambda: NetworkSpec(**whole))  # type: ignore[arg-type]
    assert problem.field == "training_subnet_cidrs"
    (problem,) = refused(lambda: NetworkSpec(cidr="10.4.0.0/28"))
    assert (problem.field, problem.fix[-17:]) == ("cidr", "write 10.4.0.0/27")
    (problem,) = refused(lambda: NetworkSpec(cidr=10))  # type: ignore[arg-type]
    assert problem.field == "cidr"
    other = {"cidr": "10.4.0.0/16", "flow_log_retention_days": 8}
    (problem,) = refused(lambda: NetworkSpec(**other))  # type: ignore[arg-type]
    assert problem.field == "flow_log_retention_days"


def test_a_gateway_where_the_training_subnet_would_be_is_told_why_and_where_else():
    """It was said to overlap a block that nobody wrote."""
    written = {"cidr": "10.4.0.0/16", "public_subnet_cidr": "10.4.0.0/28"}
    (problem,) = refused(lambda: NetworkSpec(**written))  # type: ignore[arg-type]

    assert problem.field == "public_subnet_cidr"
    assert "without training_subnet_cidrs nodes take 10.4.0.0/20" in problem.fix
    assert problem.fix.endswith("write 10.4.240.0/28, or training_subnet_cidrs as well")
    assert NetworkSpec(cidr="10.4.0.0/16", public_subnet_cidr="10.4.240.0/28")


def test_a_type_of_which_no_offerings_are_known_can_be_asked_for():
    """P6e-GB200 is in no dump of offerings, and whoever bought a block of it knows its zone."""
    image = "ami-0123456789abcdef0"
    changes = {"nodes.instance_type": "p6e-gb200.36xlarge", "nodes.image": image}

    assert changed(BLOCK, changes).nodes.instance.accelerator.count == 4


def test_a_queue_says_to_slurm_what_was_asked_for_and_nothing_else():
    """PCS would take the text None for an account, and nobody could submit."""
    assert QueueSpec(name="train").custom_settings() == {}
    full = QueueSpec(
        name="train",
        max_time="2-0",
        default_time="1-0",
        priority_tier=2,
        allow_accounts=("research", "support"),
    )
    assert full.custom_settings() == {
        "MaxTime": "2-0",
        "DefaultTime": "1-0",
        "PriorityTier": "2",
        "AllowAccounts": "research,support",
    }
