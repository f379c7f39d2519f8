"""The mutants written by hand can still be made: `make mutants` takes an hour, and would find it out in the midst."""

import pytest

from tests.mutants import BY_HAND, ROOT


@pytest.mark.parametrize("mutant", BY_HAND, ids=lambda mutant: mutant.old)
def test_the_text_to_change_stands_in_the_file_once(mutant):
    assert (ROOT / mutant.path).read_text().count(mutant.old) == 1
    assert list(ROOT.glob(mutant.tests))
