"""Published sizes agree with the facts of the corpora, and with the headers where they are here."""

import pytest

from ecgfeat.corpora import CORPORA
from ecgfeat.corpora.sizes import PUBLISHED, size_of
from ecgfeat.records.reader import read_header
from tests.conftest import mirrored


@pytest.mark.parametrize("slug", PUBLISHED)
def test_a_size_agrees_with_the_facts_of_its_corpus(slug):
    size, corpus = PUBLISHED[slug], CORPORA[slug]
    assert (size.fs_hz, size.num_leads) == (corpus.fs_hz, corpus.num_leads)
    if corpus.records:
        assert size.num_records == len(corpus.records)
    assert size.longest_h * size.num_records >= size.hours * 0.999
    assert 3_000 < size.num_beats / size.hours < 6_000


@pytest.mark.parametrize("slug", ["mitdb", "ltafdb"])
def test_a_size_is_that_of_the_headers(slug):
    folder = mirrored(slug)
    headers = [read_header(folder, record) for record in CORPORA[slug].records]
    hours = [header.num_samples / header.fs_hz / 3600 for header in headers]
    assert PUBLISHED[slug].hours == pytest.approx(sum(hours), rel=1e-3)
    assert PUBLISHED[slug].longest_h == pytest.approx(max(hours), rel=5e-3)


def test_the_size_of_equal_records_adds_up():
    size = size_of(10, 2.0, fs_hz=200, num_leads=3, beats_per_hour=4000)
    assert (size.hours, size.longest_h, size.num_beats) == (20.0, 2.0, 80_000)
