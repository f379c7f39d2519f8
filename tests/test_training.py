"""The training loop: it learns, repeats itself bit by bit, keeps its best epoch and leaks no random state."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.errors import DataError
from ecgfeat.training import ClassificationLoss, best_epoch, class_weights, fit

GENERATOR = torch.Generator().manual_seed(0)
FEATURES = torch.randn(256, 4, generator=GENERATOR)
TARGET = (FEATURES[:, 0] + FEATURES[:, 1] > 0).long()


def make_model(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))


def make_batches(epoch):
    order = torch.randperm(256, generator=torch.Generator().manual_seed(epoch))
    for rows in order.split(32):
        yield (FEATURES[rows],), TARGET[rows]


def accuracy(model):
    return {"accuracy": float((model(FEATURES).argmax(1) == TARGET).float().mean())}


def run(model, validate=accuracy, **changes):
    settings = {
        "batches": make_batches,
        "loss": nn.CrossEntropyLoss(),
        "validate": validate,
        "monitor": "accuracy",
        "epochs": 5,
        "lr": 1e-2,
        "weight_decay": 0.0,
        "seed": 0,
    }
    return fit(model, **(settings | changes))


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_learns_a_separable_task():
    log = run(make_model())
    assert log[-1]["accuracy"] > 0.95
    assert log[-1]["train_loss"] < log[0]["train_loss"]


def test_same_seed_same_bits_whatever_the_global_state():
    first, second, other = make_model(), make_model(), make_model()
    run(first, seed=3)
    torch.rand(17)
    run(second, seed=3)
    run(other, seed=4)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other)), "dropout does not depend on the seed"


def test_global_random_state_is_untouched():
    before = torch.random.get_rng_state()
    run(make_model(), epochs=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_random_numbers_drawn_by_validation_do_not_change_training():
    def validate(model):
        torch.rand(5)
        return accuracy(model)

    first, second = make_model(), make_model()
    run(first, batches=make_batches)
    run(second, batches=make_batches, validate=validate)
    assert torch.equal(weights(first), weights(second))


@pytest.mark.parametrize(
    ("values", "best"), [([1, 3, 2], 1), ([2, 2, 1], 0), ([math.nan, 1, 0], 1), ([math.nan] * 3, 0)]
)
def test_best_weights_are_kept(values, best):
    seen = []

    def validate(model):
        assert not model.training
        seen.append(weights(model).clone())
        return {"accuracy": values[len(seen) - 1]}

    model = make_model()
    log = run(model, validate, epochs=3)
    assert torch.equal(weights(model), seen[best])
    assert best_epoch(log, "accuracy") == best
    assert not model.training


def test_rate_follows_the_cosine_and_starts_full():
    rates = [row["lr"] for row in run(make_model(), epochs=4, lr=0.1)]
    assert rates == pytest.approx(
        [0.1, 0.1 * (1 + math.cos(math.pi / 4)) / 2, 0.05, 0.1 * (1 - math.cos(math.pi / 4)) / 2]
    )


def test_gradients_are_clipped():
    # Adam's step hardly depends on the size of the gradient, so look at the gradients themselves.
    norms = []
    model = make_model()

    def validate(model):
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm())
        return {"accuracy": 0.0}

    run(
        model,
        validate,
        loss=lambda output, target: 1e4 * nn.functional.cross_entropy(output, target),
        max_grad_norm=0.5,
    )
    assert max(norms) <= 0.5 + 1e-4


def test_callbacks_count_every_example():
    sizes, rows = [], []
    log = run(make_model(), epochs=2, on_batch=lambda epoch, size: sizes.append((epoch, size)), on_epoch=rows.append)
    assert sum(size for epoch, size in sizes if epoch == 1) == 256
    assert rows == log


def test_no_batch_and_infinite_loss_are_refused():
    with pytest.raises(DataError, match="no example in epoch 0"):
        run(make_model(), batches=lambda epoch: [])
    with pytest.raises(DataError, match="finite loss"):
        run(make_model(), loss=lambda output, target: output.sum() * math.inf)


def test_class_weights():
    assert class_weights([300, 100, 0, 0], power=0.5).tolist() == pytest.approx([math.sqrt(400 / 1200), 1.0, 0.0, 0.0])
    assert class_weights([10**6, 1], power=0.5)[1] == 10.0
    assert class_weights([5, 1], power=0.0).tolist() == [1.0, 1.0]


def test_loss_equals_torch_without_focus_and_damps_with_it():
    logits = torch.randn(64, 3, generator=GENERATOR)
    target = torch.from_numpy(np.arange(64) % 3)
    weight = torch.tensor([1.0, 2.0, 0.5])
    plain = ClassificationLoss(weight, label_smoothing=0.1, focal_gamma=0.0)(logits, target)
    oracle = nn.functional.cross_entropy(logits, target, weight=weight, label_smoothing=0.1)
    assert float(plain) == pytest.approx(float(oracle), rel=1e-6)
    assert ClassificationLoss(weight, label_smoothing=0.1, focal_gamma=2.0)(logits, target) < plain


def test_averaged_weights_are_those_that_are_scored_and_kept():
    # By hand: after the first update the average is the model itself, then it moves by 1 - decay.
    model, seen, validated = make_model(), [], []

    def step(epoch, size):
        seen.append(weights(model).clone())

    def validate(one):
        validated.append(weights(one).clone())
        return {"accuracy": float(len(validated))}

    run(model, validate=validate, epochs=2, average=0.9, on_batch=step)
    expected = seen[0]
    for one in seen[1:]:
        expected = 0.9 * expected + 0.1 * one
    torch.testing.assert_close(weights(model), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(validated[-1], weights(model), rtol=0, atol=0)
    assert not torch.allclose(weights(model), seen[-1], atol=1e-4)


def test_an_objective_takes_the_place_of_the_loss():
    plain, same, other = make_model(), make_model(), make_model()
    loss = nn.CrossEntropyLoss()
    run(plain, loss=loss)
    run(same, objective=lambda model, inputs, target: loss(model(*inputs), target))
    run(other, objective=lambda model, inputs, target: 2.0 * loss(model(*inputs) + 1e-2, target).square())
    assert torch.equal(weights(plain), weights(same))
    assert not torch.equal(weights(plain), weights(other))
