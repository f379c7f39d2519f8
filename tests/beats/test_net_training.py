"""What a network does not read cannot change its answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgfeat.beats.net_training import PARTS, train_net
from ecgfeat.beats.scale import Scales, measure_scale
from ecgfeat.beats.shapes import read_chunk
from tests.beats.test_classifier import NETS, make_record

SETTINGS = replace(NETS, steps=30)


@pytest.fixture(scope="module")
def records():
    return [make_record(seed) for seed in range(2)]


def train(records, reads):
    shapes = [record.shapes for record in records]
    scales = Scales(measure_scale([of.wave for of in shapes]), measure_scale([of.beat for of in shapes]))
    net = train_net(records, scales, replace(SETTINGS, reads=reads), seed=1)
    window, is_there, wave, beat, is_beat = (tensor[None] for tensor in read_chunk(shapes[0], slice(0, 40), scales))
    return net, {"window": window, "waves": wave, "intervals": beat}, (is_there, is_beat)


def answer(net, inputs, masks):
    with torch.inference_mode():
        return net(inputs["window"], masks[0], inputs["waves"], inputs["intervals"], masks[1])


def change(inputs, part):
    """Put noise where a part of the beats is."""
    changed = {name: tensor.clone() for name, tensor in inputs.items()}
    place = changed["window"][..., PARTS.index(part), :] if part in PARTS[:2] else changed[part]
    place += torch.randn(place.shape, generator=torch.Generator().manual_seed(2))
    return changed


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_left_out_changes_no_answer_and_every_other_does(records, part):
    net, inputs, masks = train(records, tuple(name for name in PARTS if name != part))
    whole = answer(net, inputs, masks)
    assert torch.equal(answer(net, change(inputs, part), masks), whole)
    for other in set(PARTS) - {part}:
        assert not torch.allclose(answer(net, change(inputs, other), masks), whole, atol=1e-3), other


def test_the_order_of_parts_does_not_matter_and_all_is_the_default(records):
    net, inputs, masks = train(records, PARTS)
    other, _, _ = train(records, PARTS[::-1])
    assert torch.equal(answer(net, inputs, masks), answer(other, inputs, masks))
    assert NETS.reads == PARTS
    assert np.isfinite(answer(net, inputs, masks).numpy()).all()
