"""Files as people have them: one reader for recordings of any maker, which finds the ECG leads in them."""

from ecgfeat.files.reading import open_ecg, open_recording, read

__all__ = ["open_ecg", "open_recording", "read"]
