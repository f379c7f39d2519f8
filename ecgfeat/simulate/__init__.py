"""Simulated ECG records: all from a seed, or waveforms for existing annotations; and perturbed records."""

from ecgfeat.simulate.corpus import record_names, simulate_corpus
from ecgfeat.simulate.render import render_annotations

__all__ = ["record_names", "render_annotations", "simulate_corpus"]
