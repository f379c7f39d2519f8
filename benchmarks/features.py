"""Speed of the beat features, one thread: ``ECGFEAT_MIRROR=... python -m benchmarks.features``.

Windows of the annotated beats of mitdb are described, in CPU time. The peer is NeuroKit2's `ecg_delineate` (peaks of P,
Q, S and T wave of each beat) on the first lead of the same records, as far as it gives a result.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from ecgfeat.beats.windows import cut_beats
from ecgfeat.features.record import Beats, describe_beats
from ecgfeat.records.annotations import is_beat
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.signals.resample import resample, to_microvolts

FS_HZ = 128
PEER_S = 300
"""The peer reads so much of each record: it takes a hundred times as long."""


def main() -> None:
    """Print beats per second, and the ratio to the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", nargs="+", help="of mitdb; all by default")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(os.environ["ECGFEAT_MIRROR"]) / "mitdb"
    spent_s, num_beats, peer_s, peer_beats = 0.0, 0, 0.0, 0
    for name in arguments.records or sorted(path.stem for path in folder.glob("*.hea")):
        source = read_signal(folder, name)
        annotation = read_annotations(folder, name, "atr", len(source.signal_mv_SC))
        sample = np.rint(annotation.sample[is_beat(annotation.symbol)] * FS_HZ / source.fs_hz).astype(np.int64)
        signal_mv_SC = resample(source.signal_mv_SC, source.fs_hz, float(FS_HZ))
        window_uv_LCS = cut_beats(to_microvolts(signal_mv_SC), sample, num_samples=256, num_leads=2)
        beats = Beats(np.diff(sample / FS_HZ, prepend=np.nan), np.ones(len(sample), dtype=bool))
        own_s = []
        for _ in range(3):
            started = time.process_time()
            describe_beats(beats, window_uv_LCS, median_beats=512)
            own_s.append(time.process_time() - started)
        spent_s, num_beats = spent_s + min(own_s), num_beats + len(sample)
        early = sample[sample < PEER_S * FS_HZ]
        started = time.process_time()
        if delineate(signal_mv_SC[: PEER_S * FS_HZ, 0], early):
            peer_s, peer_beats = peer_s + time.process_time() - started, peer_beats + len(early)
    rate = num_beats / spent_s
    print(f"ecgfeat: {num_beats} beats of two leads, {rate:,.0f} beats a second")
    peer_rate = peer_beats / peer_s
    peer = f"NeuroKit2 ecg_delineate, first lead: {peer_beats} beats, {peer_rate:,.0f} a second"
    print(f"{peer}: ratio {rate / peer_rate:.0f}")


def delineate(lead_S: np.ndarray, sample: np.ndarray) -> bool:
    """Run NeuroKit2's delineation by peaks; False where it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import neurokit2

        try:
            neurokit2.ecg_delineate(lead_S.astype(np.float64), sample, sampling_rate=FS_HZ, method="peak")
        except (ValueError, IndexError, ZeroDivisionError, KeyError):
            return False
    return True


if __name__ == "__main__":
    main()
