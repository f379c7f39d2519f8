"""Hashes of what a result depends on: any difference gives another one."""

import numpy as np

from ecgfeat.store.keys import columns_key, content_key


def test_content_key_counts_where_a_part_ends():
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key("ab", b"c") == content_key(b"ab", "c")
    assert content_key() != content_key("")


def test_columns_key_differs_with_every_value_name_and_type():
    columns = {"sample": np.arange(3), "label": np.array(["N", "", "V"], dtype=object)}
    key = columns_key(columns)
    assert columns_key(dict(columns)) == key
    others = [
        columns | {"sample": np.array([0, 1, 3])},
        columns | {"sample": np.arange(3, dtype=np.int32)},
        columns | {"label": np.array(["N", "V", ""], dtype=object)},
        columns | {"label": np.array(["N", "\0V"], dtype=object)},
        {"position": columns["sample"], "label": columns["label"]},
        {"sample": columns["sample"]},
        {name: column[:2] for name, column in columns.items()},
    ]
    assert len({key, *map(columns_key, others)}) == len(others) + 1
