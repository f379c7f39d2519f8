"""The self-contained pages of a run: ``report.html`` and ``arena.html``, from `results`, `tables` and `drawings`."""
