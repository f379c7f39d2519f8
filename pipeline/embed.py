"""Stage embed: beat windows -> 512 history-free features a beat."""

import sys
from collections.abc import Sequence

import numpy as np

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.engine.parts import Part
from ecgfeat.models import load_model
from ecgfeat.models.htf import HTF, NUM_EMBEDDING
from ecgfeat.store.arrays import create_array
from ecgfeat.store.schemas import EMBEDDINGS
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.windows import open_windows
from pipeline.run.records import Parts, choose_record_device, made_by, run_records
from pipeline.run.stage import run_stage


class Embed:
    """Embed the windows of every record."""

    def __init__(self, slug: str) -> None:
        params = read_params()
        self.slug, self.settings = slug, params.embed
        self.device = choose_record_device(params.runtime.device)
        self.windows = open_windows(slug)
        model, description = load_model(paths.HTF_MODEL)
        assert isinstance(model, HTF)
        self.model = model
        self.weights = str(description["weights_sha256"])
        self.made_by = made_by("embed", self.device, self.settings)
        # Without stored embeddings the store is empty, and the stages after this one embed what they need.
        self.records: Sequence[str] = [] if self.settings.dtype == "live" else list(self.windows.rows)

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the embedding of a record depends on."""
        return self.made_by, self.weights, self.windows.digests[record]

    def work(self, record: str) -> Part:
        """Embed a record."""
        embedding_LD = embed_windows(self.model, self.windows.read(record), self.device)
        return Part({"embedding": embedding_LD.astype(self.dtype, copy=False)})

    @property
    def dtype(self) -> type[np.floating]:
        """Precision in which embeddings are stored."""
        return np.float16 if self.settings.dtype == "float16" else np.float32

    def assemble(self, parts: Parts) -> str:
        """Write the array."""
        num_rows = {record: self.windows.rows[record][1] - self.windows.rows[record][0] for record in self.records}
        with create_array(
            paths.embeddings(self.slug),
            EMBEDDINGS,
            num_rows=num_rows,
            row_shape=(NUM_EMBEDDING,),
            params=self.settings.model_dump(),
            source=self.windows.source,
            dtype=np.dtype(self.dtype).name,
        ) as writer:
            for _, part in parts:
                writer.append(part.arrays["embedding"])
        return f"{self.slug}: {sum(num_rows.values())} beats, {NUM_EMBEDDING} features ({self.settings.dtype})"


def main(slug: str, *flags: str) -> str:
    """Embed the windows of a corpus."""
    return run_records("embed", Embed(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("embed", main))
