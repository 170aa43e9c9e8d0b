"""The model's arithmetic."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from training.loss import chunked_cross_entropy
from training.metrics import PEAK_TFLOPS
from training.model import Transformer, flops_per_token, parameter_count
from training.optimizer import learning_rate
from training.recipes import GPT_1B, GPT_1T_P5, SMOKE


@pytest.mark.parametrize("chunks", [1, 3, 7, 100])
def test_chunked_loss_and_gradients_equal_the_plain_ones(chunks):
    torch.manual_seed(0)
    hidden = torch.randn(10, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(9, 6, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(9, (10,))
    plain = F.cross_entropy(hidden @ weight.T, targets)
    wanted = torch.autograd.grad(plain * 3, (hidden, weight))
    loss = chunked_cross_entropy(hidden, weight, targets, chunks=chunks, scale=0.1)
    found = torch.autograd.grad(loss * 3, (hidden, weight))
    assert abs(loss.item() - plain.item()) < 1e-14
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).abs().max() < 1e-15


def test_sixteen_bit_loss_is_summed_in_thirty_two():
    """A mean over 10^5 tokens in bf16 would have two digits."""
    hidden, weight = torch.randn(8, 4).bfloat16(), torch.randn(5, 4).bfloat16()
    with torch.no_grad():
        loss = chunked_cross_entropy(
            hidden, weight, torch.zeros(8, dtype=torch.long), chunks=2, scale=1.0
        )
    assert loss.dtype == torch.float32


def test_counted_parameters_are_those_of_the_model():
    with torch.device("meta"):
        model = Transformer(SMOKE.model)
    held = sum(p.numel() for n, p in model.named_parameters() if n != "positions")
    assert held == parameter_count(SMOKE.model)


def test_sizes_of_the_named_recipes():
    """Figures that the documentation and the issue quote."""
    assert parameter_count(GPT_1B.model) == 1_311_082_496
    assert flops_per_token(GPT_1B.model) == 6 * 1_311_082_496 + 12 * 24 * 2048 * 2048
    assert parameter_count(GPT_1T_P5.model) == pytest.approx(1.008e12, rel=1e-3)


def test_peaks_are_found_by_the_longer_name_first():
    names = [name for name, _ in PEAK_TFLOPS]
    for at, name in enumerate(names):
        assert not any(earlier in name for earlier in names[:at])


def test_rate_warms_up_and_decays_to_its_floor():
    options = SMOKE.optimizer
    rates = [learning_rate(options, step, 50) for step in range(51)]
    assert rates[0] == pytest.approx(options.learning_rate / 10)
    assert max(rates) == rates[10] == options.learning_rate
    assert rates[50] == pytest.approx(options.learning_rate * options.final_fraction)
