"""The picture of a day: nothing short is lost, times are those of the clock, any length is drawn."""

import itertools
from datetime import datetime

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from ecgfeat.paper.day import draw_day
from ecgfeat.paper.day_panels import MOST_TICKS, choose_ticks
from ecgfeat.prediction.record import Prediction
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.report.drawings.style import rhythm_colour, to_svg
from tests.fixtures.hand_made import BlockSource, make_prediction, make_regular

DAY_S = 86_400.0


def source_of(prediction: Prediction, start: datetime | None = None, **changes: object) -> BlockSource:
    parts = {"num_samples": round(250 * prediction.duration_s), "leads": ("MLII", "V1"), "start": start}
    return BlockSource(**(parts | changes))  # type: ignore[arg-type]


def texts_of(figure: Figure) -> list[str]:
    own = [text.get_text() for text in figure.texts]
    return own + [text.get_text() for axis in figure.axes for text in axis.texts]


def boxes_of(figure: Figure, axis: int, colour: str) -> list[np.ndarray]:
    collections = [part for part in figure.axes[axis].collections if isinstance(part, PolyCollection)]
    of_colour = [
        part for part in collections if len(part.get_facecolor()) and to_hex(part.get_facecolor()[0]) == colour
    ]
    return [path.vertices for part in of_colour for path in part.get_paths()]


def test_a_short_episode_is_seen_in_a_day() -> None:
    rhythms = [(0, 40_000, "NSR", 0.9, ""), (40_000, 40_008, "AFIB", 0.6, ""), (40_008, DAY_S, "NSR", 0.9, "")]
    prediction = make_prediction([None, *[1.0] * 86_000], rhythms)
    figure = draw_day(source_of(prediction), prediction)
    (box,) = boxes_of(figure, 1, rhythm_colour("AFIB"))
    assert box[:, 0].min() <= 40_000
    assert box[:, 0].max() >= 40_008
    assert np.ptp(box[:, 0]) < 100
    assert np.ptp(box[:, 1]) == pytest.approx(0.2 / 1.2, rel=0.15)


def test_every_rhythm_has_its_time_on_the_ribbon() -> None:
    rhythms = [(0, 600, "NSR", 0.9, ""), (600, 900, "AFIB", 0.6, ""), (900, 1000, "", np.nan, "noise")]
    prediction = make_prediction([None, *[1.0] * 900], rhythms)
    figure = draw_day(
        source_of(prediction), prediction, reference=Ribbon("reference", np.array([0.0]), np.array([500.0]), ["VT"])
    )
    for axis, name, start_s, stop_s in (
        (1, "NSR", 0, 600),
        (1, "AFIB", 600, 900),
        (1, "", 900, 1000),
        (2, "VT", 0, 500),
    ):
        boxes = boxes_of(figure, axis, rhythm_colour(name))
        full = [box for box in boxes if np.ptp(box[:, 1]) > 0.999]
        width_s = sum(np.ptp(box[:, 0]) for box in full)
        assert width_s == pytest.approx(stop_s - start_s, abs=3)
    assert {"predicted", "reference", "NSR", "AFIB", "VT", "no rhythm named", "noisy"} <= set(texts_of(figure))


@pytest.mark.parametrize("duration_s", [0.5, 1.0, 30.0, 600.0, 5400.0, DAY_S, 14 * DAY_S])
@pytest.mark.parametrize("start", [None, datetime(2026, 3, 2, 9, 41, 12)])
def test_any_length_is_drawn_within_its_page(duration_s: float, start: datetime | None) -> None:
    num = int(duration_s)
    prediction = make_prediction([None, *[1.0] * max(0, num - 1)] if num else [], [(0.0, duration_s, "NSR", 0.9, "")])
    figure = draw_day(source_of(prediction, start), prediction)
    figure.canvas.draw()
    page = figure.bbox
    texts = [text for axis in figure.axes for text in axis.texts]
    for axis in figure.axes:
        texts += [*axis.get_xticklabels(), *axis.get_yticklabels()] if axis.axison else []
    for text in [*figure.texts, *texts]:
        box = text.get_window_extent()
        assert box.x0 >= page.x0 - 1, text
        assert box.x1 <= page.x1 + 1, text
        assert box.y0 >= page.y0 - 1, text
        assert box.y1 <= page.y1 + 1, text


@pytest.mark.parametrize("hours", [0.01, 0.5, 2, 24, 100, 336])
def test_labels_of_times_do_not_overlap(hours: float) -> None:
    prediction = make_regular(30)
    for start in (None, datetime(2026, 3, 2, 9, 41, 12)):
        longer = Prediction(
            prediction.beats, prediction.episodes, prediction.quality, 3600 * hours, (), prediction.made_by
        )
        figure = draw_day(source_of(longer, start), longer)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[-1].get_xticklabels()]
        assert boxes
        for before, after in itertools.pairwise(boxes):
            assert before.x1 < after.x0


def test_ticks_stand_at_hours_of_the_day() -> None:
    ticks = choose_ticks(DAY_S, datetime(2026, 3, 2, 9, 41, 12))
    assert ticks[0] == (18 * 60 + 48, "10:00")
    assert ticks[7] == (18 * 60 + 48 + 7 * 7200, "00:00\nday 2")
    assert choose_ticks(DAY_S, None)[1] == (7200, "2:00:00")
    assert choose_ticks(14 * DAY_S, datetime(2026, 3, 2, 9, 41, 12))[0][1] == "day 3"


@pytest.mark.parametrize("duration_s", [0.1, 9.9, 47, 3599, 3601, 90_000, 1e6])
def test_there_are_enough_ticks_and_not_too_many(duration_s: float) -> None:
    for start in (None, datetime(2026, 3, 2, 23, 59, 59, 999_999)):
        ticks = choose_ticks(duration_s, start)
        assert len(ticks) <= MOST_TICKS + 1
        assert all(0 <= at_s <= duration_s for at_s, _ in ticks)


def test_pauses_and_ectopic_beats_are_counted() -> None:
    prediction = make_prediction(
        [None, *[1.0] * 40, 2.5, *[1.0] * 40], [(0.0, 100.0, "NSR", 0.9, "")], aami="N" * 20 + "VVVSS" + "N" * 57
    )
    drawn = texts_of(draw_day(source_of(prediction), prediction))
    assert {"1 pause > 2 s", "3 V", "2 S"} <= set(drawn)
    assert "no pauses > 2 s" in texts_of(draw_day(source_of(make_regular(50)), make_regular(50)))


def test_pauses_without_an_interval_are_unknown_as_in_the_summary() -> None:
    prediction = make_prediction([], [(0.0, 100.0, "", np.nan, "no signal")])
    drawn = texts_of(draw_day(source_of(prediction), prediction))
    assert "pauses: unknown" in drawn
    assert "no pauses > 2 s" not in drawn


def test_many_beats_are_a_density_and_few_are_dots() -> None:
    few, many = make_regular(3000), make_regular(20_000)
    assert not draw_day(source_of(few), few).axes[-1].images
    (image,) = draw_day(source_of(many), many).axes[-1].images
    picture = np.asarray(image.get_array())
    rows, _ = np.nonzero(picture[:, :, 3])
    assert set(rows) == {32}  # 1.0 s: (1.0 - 0.2) / 0.025
    assert (picture[32, :, 3] > 0).all()


def test_odd_names_stay_on_the_page() -> None:
    prediction = make_regular(60)
    for name in ("心電図 $x$ " * 40, "a\nb", ""):
        figure = draw_day(source_of(prediction, record=name, leads=("$x$" * 30, "V\n1")), prediction)
        figure.canvas.draw()
        for text in figure.texts:
            assert text.get_window_extent().x1 <= figure.bbox.x1 + 1


def test_a_legend_of_many_rhythms_ends_at_the_edge() -> None:
    prediction = make_regular(100)
    names = [f"a rhythm with the long name {number}" for number in range(30)]
    reference = Ribbon("ref", np.arange(30.0), np.arange(1.0, 31.0), names)
    figure = draw_day(source_of(prediction), prediction, reference=reference)
    figure.canvas.draw()
    assert max(text.get_window_extent().x1 for text in figure.texts) <= figure.bbox.x1


def test_the_band_is_drawn_where_no_interval_ends() -> None:
    # One beat each three seconds, columns of two: the rate of eight intervals lies in columns without a mean too.
    prediction = make_prediction([None, *[3.0] * 30], [(0.0, 95.0, "SBR", 0.9, "")])
    figure = draw_day(source_of(prediction), prediction)
    bands = [
        patch for axis in figure.axes for patch in axis.patches if isinstance(patch, StepPatch) and patch.get_fill()
    ]
    (band,) = bands
    values = band.get_data().values
    assert np.isfinite(values).sum() > 20
    assert values[np.isfinite(values)] == pytest.approx(np.full(np.isfinite(values).sum(), 20.0))


@pytest.mark.parametrize("duration_s", [600, 20_000])
def test_equal_days_have_equal_bytes(duration_s: int) -> None:
    prediction = make_regular(duration_s)
    first, second = (to_svg(draw_day(source_of(prediction), prediction)) for _ in range(2))
    assert first == second
