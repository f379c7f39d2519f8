"""Raw PhysioNet records to beat features and rhythm diagnoses that others can rerun."""

__version__ = "0.1.0"
