"""The start-up check: silent where a job fits, one sentence for each thing that does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.launch.conftest import Place
from training.launch.__main__ import main
from training.launch.check import Report, check
from training.launch.findings import Finding
from training.launch.library import Library
from training.launch.machine import Machine

ROOT = Path(__file__).parents[3]


def texts(report: Report) -> list[str]:
    return [finding.text for finding in report.findings]


def only(report: Report) -> Finding:
    (finding,) = report.findings
    assert "\n" not in finding.text
    assert ";" in finding.text  # what is, and what to do
    return finding


def test_a_sound_node_fits(place):
    """No finding at all, and the versions that the ranks will use."""
    report = check(place.machine(), nodes=64)
    assert texts(report) == []
    assert report.status == 0
    assert report.facts == {
        "instance_type": "p4d.24xlarge",
        "gpus": 8,
        "efa_devices": 4,
        "driver": "580.95.05",
        "libfabric": "2.4.0amzn5.0",
        "aws_ofi_nccl": "1.20.0",
        "nccl": "2.30.7",
    }


def without_cards(place: Place) -> None:
    shutil.rmtree(place.tree.root / "sys/class/infiniband")


def launched_without(place: Place) -> None:
    without_cards(place)
    for path in (place.tree.root / "sys/bus/pci/devices").iterdir():
        if (path / "device").read_text().startswith("0xefa"):
            path.unlink()


def no_device_files(place: Place) -> None:
    shutil.rmtree(place.tree.root / "dev/infiniband")


def fewer_device_files(place: Place) -> None:
    (place.tree.root / "dev/infiniband/uverbs3").unlink()


def a_card_gone(place: Place) -> None:
    next((place.tree.root / "sys/class/infiniband").iterdir()).unlink()


def no_fi_info(place: Place) -> None:
    (place.bin / "fi_info").unlink()


def no_provider(place: Place) -> None:
    place.fi_info("echo 'fi_getinfo: -61 (No data available)' >&2; exit 61")


def another_provider(place: Place) -> None:
    place.fi_info("printf 'provider: tcp\\n'")


def no_plugin(place: Place) -> None:
    (place.lib / "libnccl-net.so").unlink()


def broken_plugin(place: Place) -> None:
    (place.lib / "libnccl-net.so").write_bytes(b"no library")


def foreign_plugin(place: Place) -> None:
    place.plugin("nccl-rdma-sharp-plugins")


def old_plugin(place: Place) -> None:
    place.plugin("aws-ofi-nccl 1.5.0aws", "6")


def faulty_plugin(place: Place) -> None:
    place.plugin("aws-ofi-nccl 1.12.0")


def limited(place: Place) -> None:
    place.tree.write("proc/self/status", "CapEff:\t0000000000000000")


def old_kernel(place: Place) -> None:
    place.tree.write("proc/sys/kernel/osrelease", "5.10.234-225.910.amzn2.x86_64")


def gpu_gone(place: Place) -> None:
    for slot in ("1c", "1d"):
        (place.tree.root / f"sys/bus/pci/devices/0000:a0:{slot}.0").unlink()


@pytest.mark.parametrize(
    ("spoil", "weight", "said"),
    [
        (without_cards, "mistake", "4 are on the PCI bus and the kernel module efa has not taken"),
        (launched_without, "mistake", "launched without EFA interfaces"),
        (no_device_files, "mistake", "write --device=/dev/infiniband for docker"),
        (fewer_device_files, "mistake", "was given 3 of them"),
        (a_card_gone, "sick", "3 EFA devices are there and p4d.24xlarge has 4"),
        (no_fi_info, "mistake", "fi_info is not installed"),
        (no_provider, "mistake", "fi_getinfo: -61 (No data available)"),
        (another_provider, "mistake", "libfabric has no efa provider"),
        (no_plugin, "mistake", "libnccl-net.so is not on the loader's path"),
        (broken_plugin, "mistake", "does not load"),
        (foreign_plugin, "mistake", "it is another plugin"),
        (old_plugin, "mistake", "aws-ofi-nccl 1.5.0 is older than 1.6.0"),
        (faulty_plugin, "mistake", "take 1.12.1 or newer"),
        (old_kernel, "mistake", "no DMA-BUF for GPUs"),
        (gpu_gone, "sick", "6 GPUs are there and p4d.24xlarge has 8"),
    ],
)
def test_each_missing_thing_is_one_sentence(place, spoil, weight, said):
    """No silent TCP: the job ends here, in words, and not after an hour at a tenth of the speed."""
    spoil(place)
    report = check(place.machine(), nodes=2)
    wrong = [finding for finding in report.findings if finding.weight != "warning"]
    (finding,) = wrong
    assert finding.weight == weight
    assert said in finding.text
    assert "\n" not in finding.text
    assert report.status == {"mistake": 2, "sick": 69}[weight]


def test_a_node_that_lacks_it_all_says_it_all(place):
    """A user mends everything at once."""
    for spoil in (no_device_files, no_fi_info, no_plugin, gpu_gone):
        spoil(place)
    report = check(place.machine(), nodes=2)
    assert len(report.findings) == 4
    assert report.status == 2


@pytest.mark.parametrize(
    ("cuda", "driver", "status", "said"),
    [
        (13000, "580.95.05", 0, ""),
        (13030, "575.57.08", 0, ""),  # the compatibility package answers
        (12090, "575.57.08", 2, "CUDA 13 needs 580 or newer"),
        (None, "580.95.05", 2, "--gpus all"),
    ],
)
def test_a_driver_too_old_for_the_image_is_named(place, cuda, driver, status, said):
    """CUDA 13 images fail on older machine images with an error that names neither."""
    place.tree.write("proc/driver/nvidia/version", f"NVRM version: Kernel Module  {driver}")
    machine = place.machine()
    machine.__dict__["cuda_answer"] = Library("libcuda.so.1", None, "not found", cuda)
    report = check(machine, nodes=2)
    assert report.status == status
    assert all(said in text for text in texts(report))


def test_compatibility_libraries_come_first_where_the_driver_is_older(place):
    """Our entry point replaces the base image's, which would do it."""
    folder = place.tree.root / "usr/local/cuda/compat"
    folder.mkdir(parents=True)
    (folder / "libcuda.so.1").symlink_to("libcuda.so.590.44.01")
    path = place.machine().with_compatibility()["LD_LIBRARY_PATH"]
    assert path == f"{folder}:{place.lib}"
    place.tree.write("proc/driver/nvidia/version", "NVRM version: Kernel Module  595.10")
    assert place.machine().with_compatibility()["LD_LIBRARY_PATH"] == str(place.lib)


def test_nccl_and_plugin_without_a_common_interface_are_refused(place):
    """That is what NCCL itself looks for; where it finds none it takes TCP."""
    machine = place.machine()
    machine.__dict__["nccl_answer"] = place.nccl("6 7 8 9 10 11 12")
    assert check(machine, nodes=2).status == 0
    place.plugin("aws-ofi-nccl 1.7.4aws", "4 5")
    machine = place.machine()
    machine.__dict__["nccl_answer"] = place.nccl("6 7 8 9 10 11 12")
    finding = only(check(machine, nodes=2))
    assert "speaks network interfaces v6-v12 and aws-ofi-nccl 1.7.4 v4-v5" in finding.text


@pytest.mark.parametrize(
    ("kind", "plugin", "nccl", "said"),
    [
        ("p5.48xlarge", "1.7.1", 22107, "1.7.1 is older than 1.7.2"),
        ("p5.48xlarge", "1.7.4", 21706, "NCCL 2.17.6 is older than 2.18.0"),
        ("p6-b200.48xlarge", "1.14.2", 22800, "1.14.2 is older than 1.15.0"),
        ("p4d.24xlarge", "1.20.0", 21503, "NCCL 2.15.3 is older than 2.17.1"),
        ("p4d.24xlarge", "1.20.0", None, "not known whether it fits"),
        ("p4d.24xlarge", "1.7.4", 21503, ""),
    ],
)
def test_versions_that_do_not_fit_each_other_or_the_type_are_named(place, kind, plugin, nccl, said):
    """The pairs that AWS names, and nothing that it does not."""
    place.plugin(f"aws-ofi-nccl {plugin}")
    machine = place.machine()
    machine.__dict__["nccl_answer"] = Library("libnccl.so.2", None, None, nccl)
    report = check(machine, nodes=2, instance_type=kind, cards=4)
    assert [said in text for text in texts(report)] == ([True] if said else [])


@pytest.mark.parametrize(
    ("variables", "weight", "said"),
    [
        ({"FI_PROVIDER": "tcp"}, "mistake", "FI_PROVIDER=tcp"),
        ({"NCCL_NET": "Socket"}, "mistake", "never loads the plugin"),
        ({"NCCL_PROTO": "LL128"}, "mistake", "NCCL_PROTO=LL128"),
        ({"FI_EFA_USE_DEVICE_RDMA": "0"}, "mistake", "refuses to start without GPUDirect"),
        ({"NCCL_SOCKET_IFNAME": "lo"}, "mistake", "where no other node reaches them"),
        ({"GLOO_SOCKET_IFNAME": "docker0"}, "mistake", "where no other node reaches them"),
        ({"GLOO_SOCKET_IFNAME": "ens5,lo"}, "mistake", "where no other node reaches them"),
        ({"NCCL_SOCKET_IFNAME": "^docker0"}, "mistake", "the loopback is left"),
        ({"NCCL_PROTO": "^LL128"}, "mistake", "need bytes to arrive in order"),
        ({"NCCL_TUNER_PLUGIN": "none"}, "warning", "names itself as NCCL's tuner"),
        ({"FI_PROVIDER": "efa,tcp"}, "warning", "exactly efa"),
        ({"NCCL_PROTO": "simple"}, "warning", "remove it"),
        ({"RDMAV_FORK_SAFE": "1"}, "warning", "RDMAV_FORK_SAFE=1"),
        ({"NCCL_P2P_DISABLE": "1"}, "warning", "NVLink"),
        ({"FI_EFA_USE_HUGE_PAGE": "1"}, "mistake", "no huge pages"),
    ],
)
def test_a_harmful_variable_of_the_job_is_said(place, variables, weight, said):
    """What keeps a job off EFA or corrupts data ends it; what slows it down warns."""
    finding = only(check(place.machine(**variables), fabric="efa"))
    assert finding.weight == weight
    assert said in finding.text


def with_interfaces(place: Place) -> None:
    """Have a loopback, two interfaces that are up, and one that is down."""
    for name, kind, state in (
        ("lo", "772", "unknown"),
        ("ens5", "1", "up"),
        ("ens6", "1", "unknown"),
        ("eth9", "1", "down"),
    ):
        place.tree.write(f"sys/class/net/{name}/type", kind)
        place.tree.write(f"sys/class/net/{name}/operstate", state)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("eth9", "eth9 is a loopback or is down"),
        ("=eth9", "eth9 is a loopback or is down"),
        ("eth0", "this node has no such interface (it has ens5, ens6, eth9, lo)"),
        ("=ens", "this node has no such interface"),
        ("ens", None),
        ("eth9,ens", None),
        ("=ens5", None),
        ("^docker0,lo", None),
        ("^e", "lo is a loopback or is down"),
        ("^=ens5,ens6", "eth9, lo is a loopback or is down"),
        ("^docker", "eth9, lo is a loopback or is down"),
        ("ens,lo", "lo is a loopback or is down"),
        ("", None),
    ],
)
def test_an_interface_that_leads_nowhere_is_said(place, value, said):
    """Ranks of other nodes would wait for it until their timeout; NCCL takes a loopback first."""
    said_of_an_interface(place, "NCCL_SOCKET_IFNAME", value, said, fix="write ^docker0,lo")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ens5", None),
        ("ens5,ens6", None),
        ("ens5,", None),
        ("ens", "this node has no such interface (it has ens5, ens6, eth9, lo)"),
        ("=ens5", "this node has no such interface"),
        ("^docker0,lo", "this node has no such interface"),
        ("ens5,ens7", "this node has no such interface"),
        ("ens5,eth9", "eth9 is a loopback or is down"),
    ],
)
def test_gloo_takes_whole_names_and_uses_each(place, value, said):
    """With a beginning of a name every rank ends: unable to find address for it."""
    said_of_an_interface(place, "GLOO_SOCKET_IFNAME", value, said, fix="write whole names")


def said_of_an_interface(
    place: Place, variable: str, value: str, said: str | None, *, fix: str
) -> None:
    """Check a variable on a node with interfaces."""
    with_interfaces(place)
    report = check(place.machine(**{variable: value}), nodes=2)
    if said is None:
        assert texts(report) == []
    else:
        assert any(said in text and fix in text for text in texts(report))
        assert report.status == 2


@pytest.mark.parametrize(("state", "said"), [("1: DOWN", "DOWN"), ("2: INIT", "INIT")])
def test_a_port_that_is_not_active_makes_a_node_sick(place, state, said):
    """The card is there, its driver is there, and nothing goes over it."""
    for card in place.machine().topology.cards:
        place.tree.write(f"sys/class/infiniband/{card.name}/ports/1/state", "4: ACTIVE")
    assert check(place.machine(), nodes=2).status == 0
    card = place.machine().topology.cards[2].name
    place.tree.write(f"sys/class/infiniband/{card}/ports/1/state", state)
    report = check(place.machine(), nodes=2)
    assert report.status == 69
    assert f"the port of {card} is {said} and not ACTIVE" in only(report).text


def test_a_machine_without_any_gpu_does_not_pass(tmp_path, monkeypatch, capsys):
    """Of whatever type it is, and whatever fabric is asked for; --gpus 0 says that it is meant."""
    machine = Machine({"PATH": ""}, tmp_path)
    monkeypatch.setattr("training.launch.machine.Machine", lambda _: machine)
    assert main(["check", "--fabric", "none"]) == 2
    assert "no GPU is there and the job takes 1" in capsys.readouterr().err
    assert main(["check", "--fabric", "none", "--gpus", "0"]) == 0


def test_classic_advice_is_harmless(place):
    """FI_PROVIDER=efa and FI_EFA_USE_DEVICE_RDMA=1 are what everybody has in their scripts."""
    machine = place.machine(FI_PROVIDER="efa", FI_EFA_USE_DEVICE_RDMA="1")
    assert texts(check(machine, nodes=2)) == []


@pytest.mark.parametrize(
    ("nodes", "fabric", "instance", "variables", "expected"),
    [
        (1, "auto", None, {}, False),
        (2, "auto", None, {}, True),
        (1, "auto", None, {"FI_PROVIDER": "efa"}, True),
        (1, "efa", None, {}, True),
        (8, "none", None, {}, False),
        (8, "auto", "ml.m5.large", {}, False),
    ],
)
def test_efa_is_asked_for_by_size_by_variable_or_in_words(
    place, *, nodes, fabric, instance, variables, expected
):
    """One node needs no network; a type without EFA has none."""
    machine = place.machine(**variables)
    assert check(machine, fabric=fabric, instance_type=instance, nodes=nodes).fabric is expected


def test_a_fabric_that_is_none_is_a_mistake_of_the_command(monkeypatch, capsys):
    """From the command line and from the environment."""
    monkeypatch.setenv("ULTRACLUSTER_FABRIC", "infiniband")
    with pytest.raises(SystemExit) as end:
        main(["check"])
    assert end.value.code == 2
    assert "is no choice; write auto, efa or none" in capsys.readouterr().err


def test_fewer_cards_are_fine_where_the_launch_template_means_it(place):
    """--cards says so."""
    a_card_gone(place)
    assert check(place.machine(), nodes=2, cards=3).status == 0


def test_locked_memory_is_looked_at_unless_the_process_may_lock_all(place, monkeypatch):
    """64 KiB is the default of a shell, and fails at the first registration."""
    limited(place)
    monkeypatch.setattr("resource.getrlimit", lambda _: (64 * 1024, 64 * 1024))
    assert "64 KiB" in only(check(place.machine(), nodes=2)).text
    monkeypatch.setattr("resource.getrlimit", lambda _: (8 << 30, 8 << 30))
    assert only(check(place.machine(), nodes=2)).weight == "warning"
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    assert check(place.machine(), nodes=2).findings == ()


def test_a_program_that_hangs_counts_as_broken(place, monkeypatch):
    """A driver that hangs must not hang the check (aws-parallelcluster#6777)."""
    monkeypatch.setattr("training.launch.machine.SECONDS", 0.2)
    place.fi_info("exec sleep 30")
    assert "has not answered" in only(check(place.machine(), nodes=2)).text


def test_a_plugin_is_found_by_the_name_that_nccl_would_try(place):
    """NCCL_NET_PLUGIN=ofi stands for libnccl-net-ofi.so."""
    (place.lib / "libnccl-net.so").rename(place.lib / "libnccl-net-ofi.so")
    assert check(place.machine(NCCL_NET_PLUGIN="ofi"), nodes=2).status == 0
    assert check(place.machine(), nodes=2).status == 2


def test_this_machine_answers_in_the_command_without_pytorch():
    """The check must end before PyTorch would have loaded."""
    lines = (
        "import sys",
        "from training.launch.__main__ import main",
        "status = main(['check', '--fabric', 'efa', '--instance', 'p4d.24xlarge'])",
        "print(status, 'torch' in sys.modules, 'numpy' in sys.modules)",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["2", "False", "False"]
    assert done.stderr.startswith("ERROR ")
    assert "Traceback" not in done.stderr


def test_a_real_library_is_opened_and_its_version_asked():
    """The loader's answer, not a look at file names."""
    machine = Machine({"PATH": "/usr/bin"})
    assert machine.open("libc.so.6").error is None
    missing = machine.open("libnothing-at-all.so")
    assert missing.path is None
    assert missing.error is not None
