"""The table ``features``: what is measured of each beat, see `ecgfeat.store.feature_names`."""

import pyarrow as pa

from ecgfeat.store.columns import Column, TableSchema
from ecgfeat.store.feature_names import AROUND_BEATS as AROUND_BEATS
from ecgfeat.store.feature_names import BEFORE_BEATS as BEFORE_BEATS
from ecgfeat.store.feature_names import FEATURE_NAMES as FEATURE_NAMES
from ecgfeat.store.feature_names import FEATURES_BY_NAME
from ecgfeat.store.feature_names import NUM_LEADS as NUM_LEADS

FEATURES = TableSchema(
    "features",
    1,
    {
        "record": Column(pa.string(), "", "record name, as PhysioNet spells it"),
        "beat": Column(pa.int32(), "", "0-based number of the beat in its record: row i is row i of the R-peak table"),
        "quality": Column(pa.string(), "", "as in the R-peak table: usable, noisy, absent, or empty without a signal"),
        **{
            name: Column(pa.float32(), unit, description, causal)
            for name, (unit, causal, description) in FEATURES_BY_NAME.items()
        },
    },
)
