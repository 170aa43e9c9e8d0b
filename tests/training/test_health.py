"""When a run no longer learns. Pure arithmetic over losses."""

import math

import pytest

from training.health import Health
from training.settings import RunSettings


def after(losses, *, most_skipped=10, spike=1.0, most_spiked=5) -> Health:
    run = RunSettings(steps=1, most_skipped=most_skipped, loss_spike=spike, most_spiked=most_spiked)
    health = Health(run)
    for loss in losses:
        health.saw(loss, finite=math.isfinite(loss))
    return health


CALM = [3.0 + 0.1 * (i % 3) for i in range(40)]


def test_a_run_that_learns_is_sound():
    falling = [6.0 - 0.05 * i + 0.2 * (i % 4) for i in range(60)]
    assert after(falling).sound
    assert after(falling).diverged is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_steps_without_a_gradient_are_counted(bad):
    assert after([*CALM, *[bad] * 9]).diverged is None
    assert not after([*CALM, bad]).sound
    assert after([bad] * 1000, most_skipped=0).diverged is None
    assert after([bad] * 99, most_skipped=100).diverged is None
    assert after([bad] * 100, most_skipped=100).diverged


@pytest.mark.parametrize(
    "losses", [[math.nan] * 10, [3.0, math.nan] * 10, [3.0, math.nan, 3.0, 3.0, 3.0] * 10]
)
def test_a_run_that_loses_many_steps_ends_however_they_lie(losses):
    """Every other step, or one of five: much of a run would be lost, and end with 0."""
    assert "10 of the last " in (after([*CALM, *losses]).diverged or "")
    assert after([*CALM, *losses[:-6], *CALM, *CALM]).diverged is None, "what is long past"


def test_a_spike_is_seen_waited_for_and_ended():
    """Checkpoints wait while it lasts; a loss that comes back is no reason to end."""
    spiking = after([*CALM, 4.2, 4.5, 5.0])
    assert spiking.spiked
    assert not spiking.sound
    assert spiking.diverged is None
    assert after([*CALM, 4.2, 4.5, 3.3]).sound
    lasting = after([*CALM, *[4.2] * 5])
    assert lasting.diverged == (
        "the loss has been 1 nats or more above its median of 3.1000 in 5 of 10 steps"
    )


def test_a_loss_that_spikes_at_every_other_step_ends_the_run():
    """It comes back each time, and never learns again; one spike of three is not that many."""
    assert after([*CALM, *[4.2, 3.1] * 4]).diverged is None
    assert "in 5 of 10 steps" in (after([*CALM, *[4.2, 3.1] * 5]).diverged or "")
    assert after([*CALM, *[4.2, 3.1, 3.1] * 50]).diverged is None
    assert after([*CALM, *[4.2, 3.1] * 99], most_spiked=0).diverged is None


def test_the_loss_of_a_start_is_no_spike():
    """Warm-up goes up and down before there is anything to compare with."""
    assert after([5.0, 9.0, 7.0, 5.0]).sound
    assert after([*CALM, 9.0], spike=0).sound
