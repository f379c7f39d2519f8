"""Centre and spread of columns, summed record by record: what numpy makes of all rows at once, to the last bit."""

import numpy as np
import pytest

from ecgfeat.beats.scale import measure_scale


@pytest.mark.parametrize("leads", [(), (2,)])
def test_records_one_by_one_have_the_scale_of_all_rows(leads):
    rng = np.random.default_rng(3)
    values = [100 * rng.normal(size=(size, *leads, 7)).astype(np.float32) for size in (1, 900, 0, 4000)]
    for value in values:
        value[rng.random(value.shape) < 0.1] = np.nan
        value[rng.random(value.shape) < 0.01] = np.inf
    values[1][..., 3] = 5.0  # of no spread in one record
    value_ND = np.concatenate([value.reshape(-1, 7) for value in values]).astype(np.float64)
    is_there = np.isfinite(value_ND)
    centre = np.where(is_there, value_ND, 0).sum(axis=0) / is_there.sum(axis=0)
    spread = np.sqrt(np.where(is_there, (value_ND - centre) ** 2, 0).sum(axis=0) / is_there.sum(axis=0))
    scale = measure_scale(values)
    assert scale.centre == tuple(centre.tolist())
    assert scale.spread == tuple(spread.tolist())
    assert measure_scale([np.full((9, 2), 4.0, dtype=np.float32)]).spread == (1e-3, 1e-3)
