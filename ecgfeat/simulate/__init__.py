"""Simulated ECG records: rhythms, beats and waveforms from a seed, or waveforms onto existing annotations."""

from ecgfeat.simulate.corpus import record_names, simulate_corpus
from ecgfeat.simulate.render import render_annotations

__all__ = ["record_names", "render_annotations", "simulate_corpus"]
