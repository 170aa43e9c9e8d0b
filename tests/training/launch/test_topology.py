"""Which CPUs and cards are near a GPU, on machines of several shapes."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.training.launch.trees import GPU, P4D_CPUS, Tree, one_gpu, p4d, p5, trn
from training.launch.binding import binding, local_rank
from training.launch.topology import Topology, cpus, listed
from training.problems import UserError

EVERY = frozenset(range(192))


def bound(root, rank: int, allowed: frozenset[int] = EVERY, **environment: str):
    return binding(Topology(root), {"LOCAL_RANK": str(rank), **environment}, allowed)


@pytest.mark.parametrize(
    ("rank", "gpu", "card", "node"),
    [
        (0, "0000:10:1c.0", "rdmap16s27", 0),
        (1, "0000:10:1d.0", "rdmap16s27", 0),
        (2, "0000:20:1c.0", "rdmap32s27", 0),
        (3, "0000:20:1d.0", "rdmap32s27", 0),
        (4, "0000:90:1c.0", "rdmap144s27", 1),
        (5, "0000:90:1d.0", "rdmap144s27", 1),
        (6, "0000:a0:1c.0", "rdmap160s27", 1),
        (7, "0000:a0:1d.0", "rdmap160s27", 1),
    ],
)
def test_p4d_ranks_get_the_socket_and_card_of_their_switch(tmp_path, rank, gpu, card, node):
    """Two sockets, two switches each; a switch carries a GPU pair and one card."""
    p4d(tmp_path)
    found = bound(tmp_path, rank)

    assert found.gpu is not None
    assert found.gpu.name == gpu
    assert found.cards == (card,)
    assert found.numa_node == node
    assert listed(found.cpus) == P4D_CPUS[node]
    assert "same PCIe switch" in found.said


def test_p5_ranks_get_the_four_cards_under_their_bridge(tmp_path):
    """32 cards, each near exactly one GPU."""
    p5(tmp_path)
    topology = Topology(tmp_path)
    assert len(topology.gpus) == 8
    assert len(topology.cards) == 32
    near = [bound(tmp_path, rank).cards for rank in range(8)]
    assert all(len(cards) == 4 for cards in near)
    assert len({name for cards in near for name in cards}) == 32
    assert [bound(tmp_path, rank).numa_node for rank in range(8)] == [0] * 4 + [1] * 4


def test_without_numa_information_nothing_is_made_up(tmp_path):
    """-1 is what a hypervisor says that tells nothing; the card is found all the same."""
    p4d(tmp_path, told=False)
    found = bound(tmp_path, 2)
    assert found.cpus == frozenset()
    assert found.numa_node is None
    assert found.cards == ("rdmap32s27",)
    assert "does not tell its NUMA node" in found.said


def test_everything_on_one_bus_says_nothing_of_what_is_near(tmp_path):
    """Sharing the only root bus of a machine is no switch."""
    one_gpu(tmp_path, cards=2)
    found = bound(tmp_path, 0)
    assert found.cards == ()
    assert "does not tell which card is near" in found.said


def test_card_of_the_same_socket_is_named_where_no_switch_is_shared(tmp_path):
    """A GPU whose switch has no card still has cards on its own socket."""
    p4d(tmp_path, cards=("20", "a0"))
    found = bound(tmp_path, 0)
    assert found.cards == ("rdmap32s27",)
    assert "same NUMA node" in found.said


def test_trainium_has_no_gpu_and_runs(tmp_path):
    """What this does not know it leaves alone."""
    trn(tmp_path)
    found = bound(tmp_path, 5)
    assert (found.gpu, found.cpus, found.cards) == (None, frozenset(), ())
    assert "no GPU is visible" in found.said


def test_a_machine_without_sys_runs(tmp_path):
    """A container may hide it all."""
    found = bound(tmp_path / "nothing", 0)
    assert found.gpu is None


def test_the_scheduler_has_the_last_word_on_cpus(tmp_path):
    """A rank is bound within what it was given, and left alone where that is another socket."""
    p4d(tmp_path)
    assert bound(tmp_path, 0, frozenset({3, 4, 30})).cpus == {3, 4}
    elsewhere = bound(tmp_path, 0, frozenset({30, 31}))
    assert elsewhere.cpus == frozenset()
    assert "none of NUMA node 0" in elsewhere.said


def test_visible_devices_decide_which_gpu_a_rank_has(tmp_path):
    """Slurm gives each rank its own GPU at index 0; a user may reorder them."""
    p4d(tmp_path)

    def gpu(rank: int, shown: str) -> str | None:
        found = bound(tmp_path, rank, CUDA_VISIBLE_DEVICES=shown).gpu
        return found.name if found else None

    assert gpu(3, "6") == "0000:a0:1c.0"
    assert gpu(1, "4,2") == "0000:20:1c.0"
    assert gpu(0, "") is None
    assert gpu(2, "0,1") is None
    assert gpu(0, "9,0") is None
    assert gpu(0, "GPU-5a1c") is None


def test_a_container_has_the_gpus_that_proc_shows(tmp_path):
    """/sys shows every GPU of the host also to a container that was given two."""
    tree = p4d(tmp_path)
    for name in ("0000:90:1C.0", "0000:90:1D.0"):
        tree.write(f"proc/driver/nvidia/gpus/{name}/information", "Model: A100")
    assert [gpu.name for gpu in Topology(tmp_path).gpus] == ["0000:90:1c.0", "0000:90:1d.0"]
    assert bound(tmp_path, 0).cards == ("rdmap144s27",)


def test_bridges_of_the_same_maker_are_no_gpus(tmp_path):
    """NVSwitches have NVIDIA's vendor id, too."""
    tree = Tree(tmp_path)
    tree.add("pci0000:10/0000:10:1a.0", {**GPU, "class": "0x068000"}, 0)
    assert Topology(tmp_path).gpus == ()


@pytest.mark.parametrize("name", ["LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK"])
def test_every_launcher_is_understood(name):
    """torchrun, srun and mpirun."""
    assert local_rank({name: "5"}) == 5


def test_no_launcher_is_a_mistake_that_says_what_to_write():
    """Binding eight processes to one GPU's socket would be worse than none."""
    with pytest.raises(UserError, match="start it with torchrun"):
        local_rank({})


@given(st.frozensets(st.integers(0, 500)))
def test_cpu_lists_are_read_as_they_are_written(numbers):
    """Both ways, for any set."""
    assert cpus(listed(numbers)) == numbers


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(-1, 2)), min_size=1, unique=True
    ),
    st.integers(0, 20),
)
@examples(max_examples=30)  # each makes some hundred files
def test_no_topology_fails_a_rank(tmp_path_factory, places, rank):
    """Whatever hangs where, a rank starts and says what it found."""
    tree = Tree(tmp_path_factory.mktemp("tree"))
    tree.numa({0: "0-3", 1: "4-7"})
    for (root, slot), node in {(r, s): n for r, s, n in places}.items():
        path = f"pci0000:{root:02x}/0000:{root:02x}:{slot:02x}.0"
        if slot % 2:
            tree.card(path, f"rdmap{root}s{slot}", node)
        else:
            tree.add(path, GPU, node)
    found = bound(tree.root, rank, frozenset(range(8)))
    assert found.said.startswith(f"local rank {rank}: ")
    assert found.cpus <= frozenset(range(8))
