"""A sealed document: every change of its content is found, and blanks and order are none."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfeat.errors import DataError
from ecgfeat.store.seal import read_sealed, seal, unseal, write_sealed

DOCUMENT = {"schema": "x", "decoder": {"durations": [0.25, 12.5, 3]}, "names": ["ä", "b"], "is_used": True}


def test_a_sealed_document_comes_back() -> None:
    assert unseal(Path("x.json"), json.loads(json.dumps(seal(DOCUMENT))), "") == DOCUMENT
    other_order = dict(reversed(seal(DOCUMENT).items()))
    assert unseal(Path("x.json"), json.loads(json.dumps(other_order, indent=7, ensure_ascii=False)), "") == DOCUMENT


@given(st.data())
def test_no_changed_letter_is_read_as_something_else(data: st.DataObject) -> None:
    text = json.dumps(seal(DOCUMENT))
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(min_codepoint=32, max_codepoint=126)) + text[at + 1 :]
    try:
        document = json.loads(changed)
    except ValueError:
        return
    if not isinstance(document, dict):
        return
    try:
        assert unseal(Path("x.json"), document, "") == DOCUMENT
    except DataError as error:
        assert "of its content" in str(error)


def test_a_document_without_a_digest_is_refused() -> None:
    with pytest.raises(DataError, match=r"x\.json: no digest; expected .*Train it again"):
        unseal(Path("x.json"), DOCUMENT, "Train it again.")


def test_a_sealed_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for sort_keys in (False, True):
        write_sealed(path, {"by fold": {10: 1, 9: 2}, "a": (1.5, None, "µV")}, sort_keys=sort_keys)
        assert read_sealed(path) == {"by fold": {"10": 1, "9": 2}, "a": [1.5, None, "µV"]}


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": 1}', "[" * 100_000])
def test_a_file_that_is_no_sealed_document_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="Delete it and run: dvc repro"):
        read_sealed(tmp_path / "x.json")
