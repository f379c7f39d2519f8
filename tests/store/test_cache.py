"""The cache of finished records: what was saved, or nothing."""

import numpy as np

from ecgfeat.store.cache import RecordCache, content_key


def test_cache_gives_back_what_it_was_given_or_nothing(tmp_path):
    cache = RecordCache(tmp_path / "c")
    key = content_key("model", b"rows")
    assert cache.load(key) is None
    cache.save(key, np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(cache.load(key), np.arange(12.0).reshape(3, 4))
    data = bytearray((tmp_path / "c" / key).read_bytes())
    data[-1] ^= 1
    (tmp_path / "c" / key).write_bytes(data)
    assert cache.load(key) is None
    cache.clear([key])
    assert cache.load(key) is None
    assert content_key("ab", "c") != content_key("a", "bc")
