"""The errors a user can meet: one line that says where, what was found, what was expected, what to do."""


class DataError(ValueError):
    """A fault in a record, an annotation file or an artifact (exit code 1)."""


class UsageError(ValueError):
    """A fault in params.yaml, a command line or a corpus name (exit code 2)."""


def fault(where: str, found: str, expected: str, remedy: str = "") -> str:
    """Word one line for an error message.

    Parameters
    ----------
    where : str
        Record, path or param the fault lies in, such as ``mitdb/100``.
    found : str
        What was found there.
    expected : str
        What was expected instead.
    remedy : str, optional
        What the user can do about it.

    Returns
    -------
    str
        ``where: found; expected ... remedy``, without a line break.
    """
    line = f"{where}: {found}; expected {expected}."
    return " ".join(f"{line} {remedy}".split())
