"""The choice of a device must not change a result, nor make one depend on chance."""

import pytest
import torch

from ecgfeat.device import choose_device
from ecgfeat.errors import UsageError
from ecgfeat.models import build_model


@pytest.fixture
def two_threads():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    choose_device("cpu", threads=2)
    yield
    torch.set_num_threads(before[0])
    torch.use_deterministic_algorithms(before[1])


def gradients():
    model = build_model("rhythm_window", seed=0, num_features=56).train()
    generator = torch.Generator().manual_seed(0)
    feature_BLD = torch.randn(128, 20, 56, generator=generator)
    valid_BL = torch.arange(20) < torch.randint(4, 21, (128, 1), generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model(feature_BLD, valid_BL).square().mean().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def test_gradients_of_two_threads_repeat_bit_by_bit(two_threads):
    # Large enough for torch to divide the sums of the position table between threads.
    first = gradients()
    for _ in range(5):
        assert all(map(torch.equal, first, gradients()))


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"
