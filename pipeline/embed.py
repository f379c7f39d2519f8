"""Stage embed: beat windows -> 512 history-free features a beat, record by record, resumable."""

import sys

import torch

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.device import choose_device
from ecgfeat.models import load_model
from ecgfeat.models.htf import HTF, NUM_EMBEDDING
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.cache import RecordCache, content_key
from ecgfeat.store.schemas import EMBEDDINGS, WINDOWS
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.code import code_digest
from pipeline.run.stage import CACHE, progress_bar, run_stage


def main(slug: str) -> str:
    """Embed the windows of every record."""
    params = read_params()
    dtype = params.embed.dtype
    device = choose_device(params.runtime.device, params.runtime.threads)
    windows = open_array(paths.windows(slug), WINDOWS, aligned_with=paths.rpeaks(slug))
    model, description = load_model(paths.HTF_MODEL)
    assert isinstance(model, HTF)
    # Without a cache the store is empty, and the stages after this one embed what they need.
    num_rows = {} if dtype == "live" else {record: stop - start for record, (start, stop) in windows.rows.items()}
    # Rows of an interrupted run are reused only if nothing differs that could change a low bit.
    machine = (torch.__version__, str(device), str(torch.get_num_threads()))
    made_by = content_key(description["weights_sha256"], code_digest("embed"), *machine)
    cache = RecordCache(CACHE / "embed" / slug)
    with (
        create_array(
            paths.embeddings(slug),
            EMBEDDINGS,
            num_rows=num_rows,
            row_shape=(NUM_EMBEDDING,),
            params=params.embed.model_dump(),
            source=windows.source,
            dtype="float16" if dtype == "float16" else "float32",
        ) as writer,
        progress_bar(total=sum(num_rows.values()), desc=f"embed {slug}", unit="beat") as progress,
    ):
        for record in num_rows:
            window_uv_BCS = windows.read(record)
            key = content_key(made_by, str(window_uv_BCS.shape), window_uv_BCS.tobytes())
            embedding_BD = cache.load(key)
            if embedding_BD is None:
                embedding_BD = embed_windows(model, window_uv_BCS, device, on_batch=progress.update)
                cache.save(key, embedding_BD)
            else:
                progress.update(len(embedding_BD))
            writer.append(embedding_BD)
    cache.clear()
    return f"{slug}: {sum(num_rows.values())} beats, {NUM_EMBEDDING} features ({dtype})"


if __name__ == "__main__":
    sys.exit(run_stage("embed", main))
