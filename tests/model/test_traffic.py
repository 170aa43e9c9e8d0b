"""What rules of security groups let pass together, by the definition: ports, one by one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ultracluster.model.traffic import (
    ALL,
    Flow,
    Passing,
    Traffic,
    block_within,
    common,
    covered,
    merged,
)

LAST = 9
RANGES = st.tuples(st.integers(0, LAST), st.integers(0, LAST)).map(sorted)
TRAFFIC = st.builds(lambda p, ends: Traffic(p, *ends), st.sampled_from(["tcp", "udp"]), RANGES)
SOME = st.lists(TRAFFIC | st.sampled_from([Traffic(ALL), Traffic("50")]), max_size=6)
BLOCKS = ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/16", "::/0", "fd00::/8", "x")


def ports(found) -> set[tuple[str, int]]:
    """Return each protocol with each port: of everything, those of a protocol without a name."""
    return {
        (protocol, port)
        for each in found
        for protocol in (("tcp", "udp", "50", "other") if each.protocol == ALL else [each.protocol])
        for port in range(each.first, min(each.last, LAST) + 1)
    }


@settings(max_examples=200)
@given(SOME, SOME, SOME)
def test_what_both_sides_let_pass_is_what_each_of_them_does(ours, theirs, wanted):
    """Thousands of rules are gone through once, and not each with each."""
    passes = merged(common(merged(ours), merged(theirs)))
    assert ports(passes) == ports(ours) & ports(theirs)
    for each in wanted:
        assert covered(each, passes) == (ports([each]) <= ports(passes))


def test_a_flow_passes_by_its_peer_or_by_a_block_around_it():
    """Two rules side by side let pass what one of both would."""
    tcp = [Traffic("tcp", 1, 5), Traffic("tcp", 6, 9)]
    passing = Passing([Flow("in", "10.0.0.0/8", each) for each in tcp] + [Flow("in", None, tcp[0])])
    wanted = Traffic("tcp", 4, 7)
    assert passing.covers(Flow("in", "10.1.0.0/16", wanted))
    assert passing.covers(Flow("in", "10.0.0.1/8", wanted))
    for other in (
        Flow("out", "10.1.0.0/16", wanted),
        Flow("in", "0.0.0.0/0", wanted),
        Flow("in", "::/0", wanted),
        Flow("in", "sg-1", wanted),
        Flow("in", None, wanted),
        Flow("in", "10.1.0.0/16", Traffic("tcp", 4, 10)),
    ):
        assert not passing.covers(other)
    named = Passing([Flow("in", ("stack", "Group", "because"), Traffic(ALL))])
    assert named.covers(Flow("in", ("stack", "Group"), wanted))


def test_blocks_are_in_each_other_by_their_addresses():
    """However they are written."""
    found = {(a, b) for a in BLOCKS for b in BLOCKS if block_within(a, b)}
    ten = ("10.1.0.0/16", "10.1.2.3/16")
    four = ("0.0.0.0/0", "10.0.0.0/8", *ten)
    assert found == (
        {(each, "0.0.0.0/0") for each in four}
        | {(each, "10.0.0.0/8") for each in four[1:]}
        | {(a, b) for a in ten for b in ten}
        | {("::/0", "::/0"), ("fd00::/8", "::/0"), ("fd00::/8", "fd00::/8")}
    )
