"""The shipped models, and a drawn record with broad early beats as they see it."""

import numpy as np
import pytest

from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import find_models
from ecgfeat.records.reader import Signal
from ecgfeat.saliency.seen import see_record
from tests.fixtures.beats import draw_beats

BROAD = (10, 17, 24)
FS_HZ = 200.0


def make_signal(gain=1.0, num_leads=2, duration_s=28.0):
    """Return a record of 75 beats a minute in which three beats are broad, early, and followed by a pause."""
    beat_s = np.arange(0.5, duration_s - 0.4, 0.8)
    broad = [beat for beat in BROAD if beat < len(beat_s)]
    beat_s[broad] -= 0.25
    leads = [
        draw_beats(beat_s, duration_s, FS_HZ, broad=broad, qrs_mv=size, seed=seed)
        for seed, size in enumerate((1.0, -0.7))
    ]
    signal_mv_SC = (gain * np.stack(leads[:num_leads], axis=1)).astype(np.float32)
    return Signal("drawn", FS_HZ, ("MLII", "V1")[:num_leads], signal_mv_SC)


@pytest.fixture(scope="session")
def models():
    return load_models(find_models("real"))


@pytest.fixture(scope="session")
def seen(models):
    return see_record(make_signal(), models)
