"""Results of a run as the pages take them: inputs, what is shown first, scored units, records."""
