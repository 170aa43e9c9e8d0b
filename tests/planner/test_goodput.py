"""Failures and checkpoints: formulas against what they stand for."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracluster.planner import goodput as g

HOUR = 3600.0


def simulated(interval: float, *, mean: float, write: float, restart: float, count: int) -> float:
    """Return the share of the time that becomes training, by living through `count` intervals."""
    draw = random.Random(20261124)  # noqa: S311 - a simulation
    total = 0.0
    for _ in range(count):
        while True:
            failure = draw.expovariate(1 / mean)
            if failure > interval + write:
                total += interval + write
                break
            total += failure
            # The restart may fail, too, and begins again.
            while (again := draw.expovariate(1 / mean)) < restart:
                total += again
            total += restart
    return count * interval / total


@pytest.mark.parametrize(
    ("mean", "write", "restart"),
    [
        (2.9 * HOUR, 60, 15 * 60),  # 512 nodes at the rate of OPT-175B
        (7.2 * HOUR, 60, 15 * 60),
        (12.4 * HOUR, 300, 60 * 60),
        (0.5 * HOUR, 30, 5 * 60),  # more failures than anybody would train with
    ],
)
def test_the_formula_is_what_a_simulation_lives_through(mean, write, restart):
    """It is exact for exponential failures, so 1 % is the simulation's own noise and more."""
    interval = g.daly(mean=mean, write=write)

    told = g.fraction(interval, mean=mean, write=write, restart=restart)
    lived = simulated(interval, mean=mean, write=write, restart=restart, count=60_000)

    assert told == pytest.approx(lived, rel=0.01)


@given(mean=st.floats(600, 1e7), share=st.floats(1e-5, 0.3), restart=st.floats(0, 3600))
def test_no_interval_is_better_than_dalys_by_much(mean, share, restart):
    """The interval that is planned is the one to use."""
    write = share * mean
    best = g.fraction(g.daly(mean=mean, write=write), mean=mean, write=write, restart=restart)

    for factor in (0.25, 0.5, 0.8, 1.25, 2.0, 4.0):
        other = factor * g.daly(mean=mean, write=write)
        assert g.fraction(other, mean=mean, write=write, restart=restart) <= best * 1.01


@given(st.floats(1e-9, 1e9), st.floats(1e-3, 1e9), st.floats(0, 1e6), st.floats(1e-3, 1e9))
def test_the_share_of_useful_time_is_a_share(interval, mean, restart, write):
    """However bad, it neither overflows nor leaves 0 to 1."""
    assert 0 <= g.fraction(interval, mean=mean, write=write, restart=restart) <= 1


def test_young_and_daly_agree_where_checkpoints_are_short():
    """Both are the square root of twice the checkpoint times the mean; Daly corrects it."""
    assert g.daly(mean=1e6, write=1) == pytest.approx(math.sqrt(2 * 1e6), rel=0.01)


def test_a_checkpoint_that_takes_as_long_as_failures_come_is_written_once_between_two():
    """Beyond twice the mean his formula has no meaning."""
    assert [g.daly(mean=1.0, write=write) for write in (2.0, 5.0)] == [1.0, 1.0]
    assert g.daly(mean=1.0, write=1.9) < 1


def test_known_goodput_of_512_nodes():
    """The table of the facts: RSC-1's rate, 60 s to write, 15 minutes to restart: 0.902."""
    found = g.goodput(
        parameters=100e9,
        nodes=512,
        rate=6.5e-3,
        write_bandwidth=14 * 100e9 / 60,
        restart_seconds=15 * 60,
    )

    assert found.fraction == pytest.approx(0.902, abs=0.002)
    assert found.mean_time_between_failures == pytest.approx(7.2 * HOUR, rel=0.01)


@pytest.mark.parametrize(("nodes", "spare"), [(1, 1), (64, 2), (512, 8)])
def test_spare_nodes_are_enough_for_99_percent_of_the_days(nodes, spare):
    """A Poisson number of nodes is away on any day."""
    assert g.spares(nodes, 6.5e-3, 1.0) in {spare - 1, spare}
