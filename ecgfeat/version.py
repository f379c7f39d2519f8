"""The version, where a module can import it without the rest."""

__version__ = "0.1.0"
