"""Why a published chain names a rhythm: its own posterior, sums, planted heads, and places on the record."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.errors import DataError, UsageError
from ecgfeat.models import build_model
from ecgfeat.prediction.chain import load_chain, name_rhythms
from ecgfeat.rhythm.describe import BeatInputs
from ecgfeat.rhythm.heads import TimelineHead
from ecgfeat.saliency import published
from ecgfeat.saliency.gradients import LARGEST_RESIDUAL
from ecgfeat.saliency.published import explain_chain, see_chain
from ecgfeat.saliency.rhythms import REGULAR_S
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS
from tests.saliency.conftest import make_signal

AT_S = 12.3
ON_WINDOW = "waveform of the beats of the segment"


class Planted(nn.Module):
    """The logit of AFIB is a sum over some columns of some beats; the other logits are 0."""

    def __init__(self, columns, *, is_timeline):
        super().__init__()
        self.columns, self.is_timeline = columns, is_timeline
        self.weight = nn.Parameter(torch.full((1,), 0.05))

    def forward(self, feature_BLD, valid_BL):
        logit_BL = self.weight * feature_BLD[..., self.columns].sum(-1)
        if not self.is_timeline:
            logit_BL = logit_BL.sum(1)
        zero = torch.zeros_like(logit_BL)
        return torch.stack([zero, logit_BL, *[zero] * 4], dim=-1)


@pytest.fixture(scope="session", params=["timeline", "window"])
def chain(request, chain_folders):
    return load_chain(chain_folders / "htf", chain_folders / request.param)


@pytest.fixture(scope="session")
def seen_chain(chain):
    return see_chain(make_signal(), chain, AT_S)


def with_net(chain, net, **inputs):
    head = replace(chain.head, model=net, inputs=replace(chain.head.inputs, **inputs))
    return replace(chain, head=head)


def log_odds_of(chain, seen, rhythm):
    """Return what the chain itself predicts there."""
    (units,) = name_rhythms(chain, [seen.stretch], num_views=1)
    if isinstance(chain.head, TimelineHead):
        unit = seen.beat
    else:
        unit = int(np.searchsorted(units.edges, (seen.at_s - seen.start_s) * COMMON_FS_HZ, side="right")) - 1
    probability = float(units.posterior[0, unit, RHYTHMS.index(rhythm)])
    return np.log(probability) - np.log1p(-probability)


def check_sums(explanation):
    parts = sum(part.value for part in explanation.parts)
    assert parts + explanation.residual == pytest.approx(explanation.difference, abs=1e-4)
    assert abs(explanation.residual) <= LARGEST_RESIDUAL * max(abs(explanation.difference), 0.5)
    on_trace = sum(part.value for part in explanation.parts if part.is_on_trace)
    assert explanation.relevance.sum() == pytest.approx(on_trace, abs=1e-4)


def values_of(explanation, group):
    return {part.extent_s: part.value for part in explanation.parts if part.group == group}


@pytest.mark.parametrize("history", ["predicted", "none"])
@pytest.mark.parametrize("baseline", ["usual", "flat"])
def test_the_number_is_that_of_the_chain_and_the_parts_add_up(chain, seen_chain, baseline, history):
    chain = with_net(chain, chain.head.model, history=history)
    explanation = explain_chain(chain, seen_chain, baseline=baseline)
    assert explanation.value == pytest.approx(log_odds_of(chain, seen_chain, explanation.answer), abs=1e-4)
    check_sums(explanation)
    assert explanation.similarity is not None
    if history == "none":
        assert not values_of(explanation, "classes fed back")


def test_another_rhythm_can_be_explained(chain, seen_chain):
    least = min(RHYTHMS, key=lambda rhythm: log_odds_of(chain, seen_chain, rhythm))
    explanation = explain_chain(chain, seen_chain, answer=least)
    assert explanation.answer == least
    assert explanation.value == pytest.approx(log_odds_of(chain, seen_chain, least), abs=1e-4)


@pytest.mark.parametrize("history_beats", [5, 2])
def test_a_head_of_annotations_reads_no_sample(chain, seen_chain, history_beats):
    # It reads beats around, however many the embedder is given.
    chain = replace(chain, htf=build_model("htf", seed=3, history_beats=history_beats))
    if isinstance(chain.head, TimelineHead):
        inputs = BeatInputs(None, "predicted", True)
        num, kind = inputs.timeline_layout(3).num_features, "rhythm_timeline"
    else:
        inputs = BeatInputs(None, "predicted", True)
        num, kind = inputs.window_layout().num_features, "rhythm_window"
    net = build_model(kind, seed=6, num_features=num, width=16, num_blocks=1)
    chain = with_net(chain, net, htf=None)
    explanation = explain_chain(chain, seen_chain)
    assert explanation.value == pytest.approx(log_odds_of(chain, seen_chain, explanation.answer), abs=1e-4)
    check_sums(explanation)
    assert np.abs(explanation.relevance).max() == 0
    assert values_of(explanation, "RR intervals")


def test_what_is_read_of_an_interval_is_at_that_interval(chain, seen_chain):
    is_timeline = isinstance(chain.head, TimelineHead)
    # Of a timeline head, the interval two beats later; of a window head, that of each beat.
    columns = [576 + 3 + 2] if is_timeline else [576]
    planted = with_net(chain, Planted(columns, is_timeline=is_timeline).eval())
    explanation = explain_chain(planted, seen_chain, answer="AFIB")
    check_sums(explanation)
    assert np.abs(explanation.relevance).max() == 0
    placed = values_of(explanation, "RR intervals")
    time_s, rr_s = seen_chain.time_s, seen_chain.stretch.rr_s
    if is_timeline:
        beat = seen_chain.beat + 2
        rows = [beat]
        assert len(placed) == 1
    else:
        rows = np.flatnonzero((time_s >= explanation.extent_s[0]) & (time_s < explanation.extent_s[1])).tolist()
        assert len(rows) > 5
        # Drawn beats are as regular as the baseline but for the early ones and what follows them.
    for (start_s, stop_s), value in placed.items():
        beat = int(np.abs(time_s - stop_s).argmin())
        assert beat in rows
        assert (start_s, stop_s) == pytest.approx((time_s[beat - 1], time_s[beat]), abs=1e-6)
        assert np.sign(value) == np.sign(rr_s[beat] - REGULAR_S)


def test_what_is_read_of_a_window_is_on_its_samples(chain, seen_chain):
    is_timeline = isinstance(chain.head, TimelineHead)
    # The first columns are of the convolutions over time.
    planted = with_net(chain, Planted(list(range(256)), is_timeline=is_timeline).eval())
    explanation = explain_chain(planted, seen_chain, answer="AFIB", baseline="flat")
    check_sums(explanation)
    assert explanation.share == pytest.approx(1, abs=0.02)
    from_s, to_s = explanation.extent_s or (explanation.at_s, explanation.at_s)
    reach_s = 1 + 1 / COMMON_FS_HZ
    is_near = (explanation.start_s >= from_s - reach_s) & (explanation.stop_s <= to_s + reach_s)
    np.testing.assert_array_equal(explanation.relevance[~is_near], 0)
    assert np.abs(explanation.relevance[is_near]).max() > 0


def test_windows_farther_away_are_parts_at_their_beats(chain, seen_chain, monkeypatch):
    whole = explain_chain(chain, seen_chain)
    monkeypatch.setattr(published, "NEAR_BEATS", 2)
    explanation = explain_chain(chain, seen_chain)
    check_sums(explanation)
    far = values_of(explanation, "waveform of beats farther away")
    if isinstance(chain.head, TimelineHead):
        assert explanation.value == pytest.approx(whole.value, abs=1e-4)
        # What a beat far away takes does not depend on how it is written down: the samples of its window, or it whole.
        assert len(far) == len(seen_chain.stretch.sample) - 5
        assert explanation.relevance.shape[0] < whole.relevance.shape[0]
    else:
        assert not far


def test_a_segment_is_marked_and_its_windows_reach_beyond_it(chain, seen_chain):
    explanation = explain_chain(chain, seen_chain)
    if isinstance(chain.head, TimelineHead):
        assert (explanation.kind, explanation.extent_s) == ("beat", None)
        assert explanation.at_s == pytest.approx(seen_chain.time_s[seen_chain.beat])
        assert explanation.model == "HTF and timeline head"
    else:
        assert (explanation.kind, explanation.extent_s) == ("segment", (10.0, 20.0))
        assert explanation.start_s[0] < 10.0 < 20.0 < explanation.stop_s[-1]
    assert explanation.columns == ("MLII", "V1")


def test_a_missing_lead_has_nothing(chain):
    seen = see_chain(make_signal(num_leads=1), chain, AT_S)
    explanation = explain_chain(chain, seen)
    check_sums(explanation)
    assert explanation.columns == ("MLII",)
    assert explanation.relevance.shape[1] == 1


def test_a_segment_without_beats_is_refused(chain, seen_chain):
    if isinstance(chain.head, TimelineHead):
        pytest.skip("a timeline head names beats")
    stretch = seen_chain.stretch
    few = replace(stretch, **{name: getattr(stretch, name)[:4] for name in ("sample", "rr_s", "label", "embedding")})
    with pytest.raises(DataError, match="no beat in the segment from 10.00 s; expected a segment with a beat"):
        explain_chain(chain, replace(seen_chain, stretch=few, window_uv=seen_chain.window_uv[:4]))


def test_what_is_unknown_is_refused(chain, seen_chain):
    with pytest.raises(UsageError, match="unknown rhythm 'X'"):
        explain_chain(chain, seen_chain, answer="X")
    with pytest.raises(UsageError, match="unknown baseline 'mean'"):
        explain_chain(chain, seen_chain, baseline="mean")
    with pytest.raises(DataError, match="99 s; expected a time within 0 to 28 s"):
        see_chain(make_signal(), chain, 99.0)
