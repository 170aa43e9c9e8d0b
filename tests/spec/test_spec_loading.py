"""Environment files: every problem at once, each with its path and the line it was written on."""

import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from ultracluster.problem import SpecError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import EnvironmentFileError, load, load_folder

IMPORTS = """\
from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import CapacityBlockSpec, NodesSpec
"""

SOUND = f"""{IMPORTS}
NETWORK = NetworkSpec()
NODES = NodesSpec(instance_type="p4d.24xlarge", count=2)
STORAGE = LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False)
PLACE = dict(region="us-east-1", availability_zone_id="use1-az6")
BUDGET = BudgetSpec(ceiling_usd_per_day=10000)
REST = dict(
    network=NETWORK, nodes=NODES, storage=STORAGE, sagemaker=SageMakerSpec(instances=0),
    budget=BUDGET,
)
"""

EIGHT_FAULTS = f"""{IMPORTS}
EIGHT = EnvironmentSpec(  # broken: eight.availability_zone_id
    name="eight",
    region="us-east-1",
    availability_zone_id="us-east-1a",
    network=NetworkSpec(  # broken: eight.network.public_subnet_cidr
        cidr="10.0.0.0/16",
        training_subnet_cidrs=("10.0.0.0/24",),
        public_subnet_cidr="10.0.0.0/28",
    ),
    nodes=NodesSpec(  # broken: eight.nodes.placement_group eight.nodes.count eight.nodes.image
        instance_type="p4d.24xlarge",
        count=65,
        capacity_block=CapacityBlockSpec(
            capacity_reservation_id="cr-0123456789abcdef0",
        ),
        image="mine",
    ),
    storage=LustreSpec(  # broken: eight.storage.capacity_gib
        deployment_type="PERSISTENT_2",
        capacity_gib=1300,
        per_unit_storage_throughput=250,
        data_repositories=(
            DataRepositorySpec(file_system_path="/a", prefix="a/"),
            DataRepositorySpec(  # broken: eight.storage.data_repositories[1].file_system_path
                file_system_path="b",
                prefix="b/",
            ),
        ),
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances=-1),  # broken: eight.sagemaker.instances
    budget=BudgetSpec(ceiling_usd_per_day=10**6, notify=("team@example.com",)),
)
"""

THREE_ENVIRONMENTS = f"""{SOUND}
ONE = EnvironmentSpec(name="One", **PLACE, **REST)  # broken: One.name
TWO = EnvironmentSpec(
    name="two",
    **PLACE,
    **REST | dict(nodes=NodesSpec(instance_type="p4d", count=2)),  # broken: two.nodes.instance_type
)
FINE = EnvironmentSpec(name="fine", **PLACE, **REST)
UNNAMED = EnvironmentSpec(  # broken: environments[3].name environments[3].region
    region="mars",
    availability_zone_id="use1-az6",
    **REST,
)
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an environment file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(textwrap.dedent(text))
        return path

    return write


def marked(text: str, path: Path) -> set[tuple[str, str]]:
    """Return field and place of everything that a file itself calls broken."""
    return {
        (field, f"{path}:{number}")
        for number, line in enumerate(text.splitlines(), start=1)
        for field in re.sub(".*# broken:|^(?!.*# broken:).*", "", line).split()
    }


@pytest.mark.parametrize(("text", "count"), [(EIGHT_FAULTS, 8), (THREE_ENVIRONMENTS, 4)])
def test_independent_faults_are_as_many_problems_each_with_path_and_line(write, text, count):
    """Whoever wrote the file finds every line to change in one run."""
    path = write(text)
    expected = marked(text, path)
    assert len(expected) == count

    with pytest.raises(SpecError) as caught:
        load(path, EnvironmentSpec)

    assert {(p.field, p.source) for p in caught.value.problems} == expected
    assert len(caught.value.problems) == count
    assert len(str(caught.value).splitlines()) == count


def test_environments_of_a_file_are_returned_in_their_order(write):
    """A user's own file stands beside those of the repository."""
    path = write(
        SOUND
        + 'B = EnvironmentSpec(name="b", **PLACE, **REST)\n'
        + 'A = EnvironmentSpec(name="a", **PLACE, **REST)\n'
        + "AGAIN = A\n"
    )

    assert [environment.name for environment in load(path, EnvironmentSpec)] == ["b", "a"]


def test_a_fault_in_a_shared_spec_is_one_problem(write):
    """Two environments on one storage: there is one line to change."""
    path = write(
        SOUND.replace("capacity_gib=1200", "capacity_gib=1300")
        + 'A = EnvironmentSpec(name="a", **PLACE, **REST)\n'
        + 'B = EnvironmentSpec(name="b", **PLACE, **REST)\n'
    )

    with pytest.raises(SpecError) as caught:
        load(path, EnvironmentSpec)
    assert [p.field for p in caught.value.problems] == ["a.storage.capacity_gib"]


def test_a_name_used_twice_is_one_problem(write):
    """Two environments of one name would be one set of stacks."""
    path = write(
        SOUND
        + 'A = EnvironmentSpec(name="same", **PLACE, **REST)\n'
        + 'B = EnvironmentSpec(name="same", **PLACE, **REST)\n'
    )

    with pytest.raises(SpecError) as caught:
        load(path, EnvironmentSpec)
    assert [str(p) for p in caught.value.problems] == [
        'same.name: got "same"; another environment has that name; give each a name of its own'
    ]


def test_a_name_used_twice_hides_no_other_fault(write):
    """Both environments keep their paths."""
    path = write(
        SOUND
        + 'A = EnvironmentSpec(name="same", region="mars", availability_zone_id="x", **REST)\n'
        + 'B = EnvironmentSpec(name="same", **PLACE, **REST)\n'
    )

    with pytest.raises(SpecError) as caught:
        load(path, EnvironmentSpec)
    assert [p.field for p in caught.value.problems] == ["same.region", "same.name"]


def test_an_environment_that_is_not_assigned_is_judged_as_well(write):
    """It would be missed in silence otherwise."""
    path = write(SOUND + 'EnvironmentSpec(name="Bad", **PLACE, **REST) and None\n')

    with pytest.raises(SpecError) as caught:
        load(path, EnvironmentSpec)
    assert [p.field for p in caught.value.problems] == ["EnvironmentSpec.name"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A = (\n", r":1: '\(' was never closed"),
        ("\0", r": source code .*cannot contain null bytes"),
        ("\nA = EnvironmentSpec()\n", r":2: NameError: name 'EnvironmentSpec' is not defined"),
        ("import nothing_of_that_name\n", r":1: ModuleNotFoundError: No module named 'nothing_of"),
        ("raise ValueError('one\\ntwo')\n", r":1: ValueError: one two"),
        ("import sys\nsys.exit(3)\n", r":2: SystemExit: 3"),
        ("A = 5\n", r": the file defines no environment; write MINE = EnvironmentSpec\("),
        ("", r": the file defines no environment; write MINE = EnvironmentSpec\("),
    ],
)
def test_a_file_that_holds_no_environment_is_one_line(write, text, says):
    """A stack trace through our loader would hide the line that matters."""
    path = write(text)

    with pytest.raises(EnvironmentFileError, match=rf"^{re.escape(str(path))}{says}") as caught:
        load(path, EnvironmentSpec)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.py", "no such file; write the path of a Python or YAML file"),
        (".", "it is a directory; write the path of a file"),
    ],
)
def test_a_missing_file_is_one_line(tmp_path, name, says):
    """Also where the path is a folder."""
    path = tmp_path / name

    with pytest.raises(EnvironmentFileError) as caught:
        load(path, EnvironmentSpec)
    assert str(caught.value) == f"{path}: {says}"


def test_faults_explain_why_a_file_did_not_run(write):
    """Code after a faulty spec that uses it fails by that fault: the fault is to be changed."""
    path = write(
        SOUND
        + 'A = EnvironmentSpec(name="a", **PLACE, **REST | dict(nodes=NodesSpec(\n'
        + '    instance_type="p4d.24xlage", count=2)))\n'
        + "print(A.nodes.accelerators)\n"
    )

    with pytest.raises(SpecError) as caught:
        load(path, EnvironmentSpec)
    assert [p.field for p in caught.value.problems] == ["NodesSpec.instance_type"]


def test_specs_raise_again_after_a_file_was_loaded(write):
    """Problems are gathered only while a file is read."""
    with pytest.raises(SpecError):
        load(write(EIGHT_FAULTS), EnvironmentSpec)
    with pytest.raises(SpecError):
        exec(f"{IMPORTS}\nSageMakerSpec(instances=-1)", {})  # noqa: S102


def test_a_wrong_type_hides_no_other_fault_of_its_spec(tmp_path: Path):
    """A text for a number is one fault; what the other fields hold is judged all the same."""
    path = tmp_path / "broken.py"
    path.write_text(
        """
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec

LustreSpec(
    deployment_type="SCRATCH_2",
    capacity_gib="1200",
    per_unit_storage_throughput=125,
    customer_key=True,
    efa_enabled=True,
    keep_data=False,
    data_repositories=tuple(
        DataRepositorySpec(file_system_path=f"/{i}", prefix=f"{i}/") for i in range(9)
    ),
)
NetworkSpec(training_subnet_cidrs=["10.0.0.0/20"], public_subnet_cidr="10.0.0.0/33")
"""
    )
    with pytest.raises(SpecError) as refused:
        load(path, EnvironmentSpec)

    fields = sorted(problem.field.partition(".")[2] for problem in refused.value.problems)
    assert fields == [
        "capacity_gib",
        "customer_key",
        "data_repositories",
        "efa_enabled",
        "per_unit_storage_throughput",
        "public_subnet_cidr",
        "training_subnet_cidrs",
    ]


@pytest.mark.parametrize(
    "collection",
    [
        'ALL = [EnvironmentSpec(name=f"n{i}", **PLACE, **REST) for i in range(2)]',
        'ALL = {f"n{i}": EnvironmentSpec(name=f"n{i}", **PLACE, **REST) for i in range(2)}',
        'ALL = [tuple(EnvironmentSpec(name=f"n{i}", **PLACE, **REST) for i in range(2))]',
    ],
)
def test_environments_in_a_collection_are_found(write, collection):
    """A family of environments is written as a comprehension; it was "no environment"."""
    path = write(f"{SOUND}\n{collection}\nAGAIN = [ALL]\n")

    assert [environment.name for environment in load(path, EnvironmentSpec)] == ["n0", "n1"]


def test_what_a_file_imports_is_not_its_own(write, tmp_path):
    """Whoever builds on another file's environment does not check, price or deploy that one."""
    write(SOUND + 'ONE = EnvironmentSpec(name="one", **PLACE, **REST)\nALL = [ONE]\n').rename(
        tmp_path / "shared.py"
    )
    path = write(
        "import shared\nfrom shared import *\n"
        "FAMILY = [*ALL, shared.ONE, ONE.model_copy(update={'name': 'two'})]\n"
    )

    assert [environment.name for environment in load(path, EnvironmentSpec)] == ["two"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return an empty folder of environments."""
    folder = tmp_path / "environments"
    folder.mkdir()
    return folder


def test_files_of_a_folder_build_on_one_another(project: Path):
    """In any order of their names; each is run once, and one that defines none is no fault."""
    (project / "m.py").write_text(SOUND + 'M = EnvironmentSpec(name="m", **PLACE, **REST)\n')
    imports = {
        "a": "from environments.m import M",
        "b": "from .m import M",
        "x": "from . import m\nM = m.M",
        "y": "from environments import m\nM = m.M",
        "z": "import environments.m as m\nM = m.M",
    }
    for name, line in imports.items():
        copy = f"X = M.model_copy(update={{'name': '{name}'}})"
        (project / f"{name}.py").write_text(f"{line}\n{copy}\nALL = [M, X]\n")
    (project / "constants.py").write_text("NODES = 2\n")
    (project / "\u00b2.py").write_text("")  # a digit to Python, and no number

    found = [spec.name for spec in load_folder(project, EnvironmentSpec)]
    assert found == ["a", "b", "m", "x", "y", "z"]


def test_a_file_that_was_changed_is_read_anew(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Also in a process that has imported another project's file of that name."""
    other = ModuleType("environments.m")
    monkeypatch.setitem(sys.modules, "environments.m", other)
    for name in ("one", "two"):
        text = f'{SOUND}M = EnvironmentSpec(name="{name}", **PLACE, **REST)\n'
        (project / "m.py").write_text(text)

        assert [spec.name for spec in load_folder(project, EnvironmentSpec)] == [name]
        assert sys.modules["environments.m"] is other


def test_problems_of_all_files_of_a_folder_are_reported_at_once(project: Path):
    """Whoever mends a project has one list, also where one of the files does not run."""
    faulty = SOUND + 'X = EnvironmentSpec(name="{}", **PLACE, **REST)  # broken\n'
    (project / "a.py").write_text(faulty.format("A"))
    (project / "b.py").write_text(faulty.format("B"))
    (project / "c.py").write_text("this is no Python\n")

    with pytest.raises(ExceptionGroup) as caught:
        load_folder(project, EnvironmentSpec)

    in_file, of_specs = caught.value.exceptions
    assert str(in_file).startswith(f"{project / 'c.py'}:1: ")
    assert isinstance(of_specs, SpecError)
    assert [problem.field for problem in of_specs.problems] == ["A.name", "B.name"]


def test_a_name_that_two_files_use_is_one_problem_with_both(project: Path, tmp_path: Path):
    """Two environments of one name would be one set of stacks; so it is for a user's own file."""
    text = SOUND + 'X = EnvironmentSpec(name="same", **PLACE, **REST)\n'
    (project / "a.py").write_text(text)
    own = tmp_path / "own.py"
    own.write_text(text)

    with pytest.raises(SpecError) as caught:
        load_folder(project, EnvironmentSpec, also=own)

    (problem,) = caught.value.problems
    assert str(project / "a.py") in str(problem)
    assert problem.source == str(own)
    assert load_folder(project, EnvironmentSpec, also=project / "a.py")


@pytest.mark.parametrize("name", ["'x' * 5000", "['x']", "5", "{'a': 1}"])
def test_a_name_that_is_none_stays_short(tmp_path, name):
    """Every problem of the environment begins with it."""
    path = tmp_path / "environment.py"
    path.write_text(f"{SOUND}\nIT = EnvironmentSpec(name={name}, **PLACE, **REST)\n")
    with pytest.raises(SpecError) as refused:
        load(path, EnvironmentSpec)
    assert all(len(line) < 500 for line in str(refused.value).splitlines())


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    """It is a disk image that somebody named by mistake."""
    path = tmp_path / "environment.py"
    with path.open("wb") as made:
        made.truncate(10**10)
    with pytest.raises(EnvironmentFileError, match="no Python file"):
        load(path, EnvironmentSpec)


@pytest.mark.parametrize(
    "raised", ["GeneratorExit", "type('E', (BaseException,), {})('x')", "SystemExit('x')"]
)
def test_whatever_a_file_raises_is_one_line(tmp_path, raised):
    """It is a program: it may raise anything, also what has no text."""
    path = tmp_path / "environment.py"
    path.write_text(f"raise {raised}\n")
    with pytest.raises(EnvironmentFileError, match=r"environment\.py:1: "):
        load(path, EnvironmentSpec)
    path.write_text("class E(Exception):\n    __str__ = None\nraise E\n")
    with pytest.raises(EnvironmentFileError, match=r"environment\.py:3: "):
        load(path, EnvironmentSpec)
