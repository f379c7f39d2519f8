"""Names and numbers that tables, arrays and models share. They need no pyarrow: models are used without it too."""

RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
"""The six classes of the rhythm task, in the order of every probability column and confusion matrix."""

BEAT_CLASSES = ("N", "S", "V")
"""The AAMI classes the beat embedder distinguishes, in the order of its outputs."""

COMMON_FS_HZ = 128.0
"""Rate of every table and array downstream of ``signals``."""

INVALID_UV = -32768
"""The int16 microvolt value that marks an invalid sample."""

LIMIT_UV = 32767
"""The largest int16 microvolt value, of either sign; larger ones are clipped to it."""

EXPORTED_FILE = "models.json"
"""Description of the ONNX files that ``ecgfeat export`` writes of the default models."""

EXPORTED_SCHEMA, EXPORTED_VERSION = "ecgfeat.light_models", 1
