"""Recordings in and out: WFDB headers, signals and annotations, and records in other forms."""
