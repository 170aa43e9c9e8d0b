"""The image: its lock, its Dockerfile, how it is built, and the page that shows it."""

import json
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from golden.image_page import page
from tests.training.launch.conftest import Place
from training.image import build
from training.launch.inventory import differences, main

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "training/image/Dockerfile").read_text()
LOCK = build.lock()
SHELL = sorted([ROOT / ".ci" / "run", *ROOT.glob("*/**/*.sh"), *ROOT.glob("*/**/*.sbatch")])
OURS = [
    p for p in SHELL if not {"node_modules", "cdk.out", ".venv", ".venv-torchtitan"} & set(p.parts)
]
COMMERCIAL = "{}.dkr.ecr.us-east-1.amazonaws.com/ultracluster-dev".format("1" * 12)
CHINA = "{}.dkr.ecr.cn-north-1.amazonaws.com.cn/ultracluster-dev".format("1" * 12)
GOVCLOUD = "{}.dkr.ecr.us-gov-west-1.amazonaws.com/ultracluster-dev".format("1" * 12)


def default(name: str) -> str:
    """Return the default of a build argument."""
    (found,) = re.findall(rf"^ARG {name}=(.*)$", DOCKERFILE, re.MULTILINE)
    return str(found)


def test_the_dockerfile_s_arguments_are_the_lock_s():
    """`docker build` by hand makes the image that the lock describes."""
    for name, pin in build.ARGUMENTS.items():
        assert default(name) == LOCK["pins"][pin]["version"], name
    assert default("NCCL_TESTS_COMMIT") == LOCK["pins"]["nccl_tests"]["commit"]
    assert default("BASE_REGISTRY") == LOCK["base"]["registry"]
    assert default("BASE_REPOSITORY") == LOCK["base"]["repository"]
    assert default("BASE_TAG") == LOCK["base"]["tags"]["sagemaker"]


def test_the_variant_with_torchtitan_has_the_locks_version_and_another_name(capsys):
    """Without the flag nothing of it is there; with it the version is the one that was tested."""
    assert default("TORCHTITAN_VERSION") == ""
    requirements = (ROOT / LOCK["torchtitan"]["requirements"]).read_text().splitlines()
    assert f"torchtitan=={LOCK['torchtitan']['version']} \\" in requirements
    assert not [
        line for line in requirements if re.match(r"(torch==|triton|numpy|nvidia|cuda)", line)
    ]
    pytorch = (ROOT / "requirements-pytorch-nvidia.txt").read_text().splitlines()
    assert f"torch=={LOCK['pins']['pytorch']['version']} \\" in pytorch
    said = []
    for flags in ([], ["--torchtitan"]):
        assert build.main(["cluster", "--to", COMMERCIAL, "--print", *flags]) == 0
        said.append(capsys.readouterr().out)
    assert f"TORCHTITAN_VERSION={LOCK['torchtitan']['version']}" in said[1]
    assert "-cluster-torchtitan-" in said[1]
    assert "torchtitan" not in said[0].replace("TORCHTITAN_VERSION=", "")


def test_every_pin_has_a_version_and_a_source_with_a_date():
    """What is derived says so."""
    for name, pin in LOCK["pins"].items():
        assert re.fullmatch(r"[\w.]+", pin["version"]), name
        assert re.search(r"\d{4}-\d{2}-\d{2}", pin["source"]), name
    for digest in LOCK["base"]["digests"].values():
        assert digest is None or re.fullmatch(r"sha256:[0-9a-f]{64}", digest)


def test_nothing_is_fetched_when_a_container_starts():
    """A start that fetches breaks 512 nodes at once, and all of them in a closed network."""
    starts = re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", DOCKERFILE, re.MULTILINE)
    assert all(json.loads(line)[:3] in ([], ["python", "-m", "training.launch"]) for line in starts)
    package = "".join(path.read_text() for path in (ROOT / "training/launch").glob("*.py"))
    assert not re.search(r"urllib|http\.client|requests|pip install|curl|wget", package)


def test_the_cluster_image_is_not_root_and_the_last_stage_is_sagemaker_s():
    """Where the platform allows it; a build without --target makes what SageMaker runs."""
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    users = {stage.split()[2]: re.findall(r"^USER (\S+)", stage, re.MULTILINE) for stage in stages}
    assert users["cluster"] == ["1000:1000"]
    assert list(users)[-1] == "sagemaker"


@pytest.mark.parametrize(
    ("uri", "base", "domain"),
    [
        (COMMERCIAL, "public.ecr.aws/deep-learning-containers", None),
        (CHINA, None, "cn-north-1.amazonaws.com.cn"),
        (GOVCLOUD, None, "us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_base_comes_from_the_partition_of_the_repository(uri, base, domain):
    """ECR's public registry is of the commercial partition."""
    found = build.base_registry(build.Repository.of(uri), None)
    if base:
        assert found == base
    else:
        assert re.fullmatch(rf"\d{{12}}\.dkr\.ecr\.{domain}", found)


def test_a_private_base_is_chosen_by_region(capsys):
    """Closed networks reach ECR through endpoints and the public registry not at all."""
    assert build.main(["cluster", "--to", COMMERCIAL, "--base", "private", "--print"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert "--password-stdin 1" in first
    assert re.search(r"--password-stdin \d+\.dkr\.ecr\.us-east-1\.amazonaws\.com$", second)


def test_printed_commands_are_what_a_shell_can_run(capsys):
    """With docker and aws in their place they build one image, of the digest that was asked for."""
    assert build.main(["sagemaker", "--to", COMMERCIAL, "--print"]) == 0
    commands = capsys.readouterr().out
    stand_in = (
        "aws() { echo secret; }\n"
        'docker() { case "$*" in *inspect*) echo sha256:abc;;'
        ' *build\\ *) printf "%s\\n" "$@";; esac; }\n'
    )
    done = subprocess.run(
        [str(shutil.which("bash")), "-euc", stand_in + commands],
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert "BASE_DIGEST=@sha256:abc" in words
    assert words[words.index("--target") + 1] == "sagemaker"
    assert words[words.index("--tag") + 1].startswith(COMMERCIAL)


def test_a_build_pins_the_base_and_stops_at_the_first_failure(tmp_path, monkeypatch):
    """Real processes in the place of docker and aws."""
    log = tmp_path / "log"
    for name, answer in (
        ("aws", "echo secret"),
        ("docker", 'case "$*" in *inspect*) echo sha256:d;; esac'),
    ):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >>{log}\n{answer}\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(ROOT)
    assert build.main(["sagemaker", "--to", COMMERCIAL]) == 0
    lines = log.read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["ecr", "login", "buildx", "buildx"]
    assert "BASE_DIGEST=@sha256:d" in lines[-1]
    (tmp_path / "aws").write_text("#!/bin/sh\necho expired >&2\nexit 254\n")
    assert build.main(["sagemaker", "--to", COMMERCIAL]) == 254


@pytest.mark.parametrize("uri", ["", "ultracluster-dev", "public.ecr.aws/x/y", COMMERCIAL + ":tag"])
def test_a_place_to_push_to_that_is_none_is_refused(uri, capsys):
    """One line, and where the right value is."""
    assert build.main(["sagemaker", "--to", uri, "--print"]) == 2
    assert "is no repository of ECR" in capsys.readouterr().err


def test_a_tag_names_its_content(monkeypatch, tmp_path):
    """Tags of the repository never move, so another program needs another tag."""
    copy = tmp_path / "training"
    shutil.copytree(ROOT / "training", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build, "HERE", copy / "image")
    before = build.content()
    (copy / "build").mkdir()
    (copy / "build/left.py").write_text("by pip install")
    assert before == build.content()
    (copy / "train.py").write_text("another program")
    assert before != build.content()


def inventory(place: Place) -> list[str]:
    pins = {name: pin["version"] for name, pin in LOCK["pins"].items()}
    return differences(pins, place.machine())


def test_an_image_that_is_not_its_lock_s_fails_its_build(place):
    """The base's tag may move to other versions under the same name."""
    (place.bin / "all_reduce_perf").write_text("#!/bin/sh\n")
    (place.bin / "all_reduce_perf").chmod(0o755)
    place.tree.write("opt/amazon/efa_installed_packages", "# EFA installer version: 1.48.0")
    place.tree.write("usr/local/lib/libgdrapi.so.2.6", "")
    lines = inventory(place)
    assert "efa_installer: the lock pins 1.49.0 and the image has 1.48.0" in lines
    # What this machine has of Python's packages is no image's.
    others = ("python:", "pytorch:", "nccl:", "efa_installer:")
    assert [line for line in lines if not line.startswith(others)] == []
    place.plugin("aws-ofi-nccl 1.19.2")
    (place.bin / "all_reduce_perf").unlink()
    lines = inventory(place)
    assert "aws_ofi_nccl: the lock pins 1.20.0 and the image has 1.19.2" in lines
    assert "all_reduce_perf: is not on the PATH" in lines


@pytest.mark.parametrize(
    "text", [None, "null", '{"pins": "x"}', "[" * 100_000, '{"pins": {"a": 1}}']
)
def test_a_lock_that_is_none_is_a_mistake(tmp_path, capsys, text):
    """One line."""
    if text is not None:
        (tmp_path / "none.json").write_text(text)
    assert main(tmp_path / "none.json") == 2
    assert "is no lock of an image" in capsys.readouterr().err


def test_the_page_shows_the_lock():
    """`python -m golden.image_page` writes it."""
    assert (ROOT / "docs" / "training" / "image.md").read_text() == page()


def test_the_files_of_the_image_are_part_of_the_package():
    """The build runs from an installation, too."""
    folder = resources.files("training")
    for name in ("image/Dockerfile", "image/image.lock.json", "image/registries.json",
                 "launch/instances.json"):  # fmt: skip
        assert (folder / name).is_file()
    listed = (ROOT / "training/pyproject.toml").read_text()
    assert re.search(r"training = \[.*image/\*\.json.*\]", listed)


@pytest.mark.parametrize(
    ("program", "files"),
    [("hadolint", [ROOT / "training/image/Dockerfile"]), ("shellcheck", OURS)],
)
def test_linters_have_nothing_to_say(program, files):
    """They come as wheels with their programs inside."""
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.exists() else shutil.which(program)
    assert found, f"{program} is not installed; run make test"
    done = subprocess.run([found, *files], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
