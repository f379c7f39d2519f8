"""Read what the arena compares: predictions of the systems, and what is scored of each corpus."""

import json
from collections.abc import Sequence
from typing import Any

from ecgfeat.arena import SYSTEMS, BeatSystem
from ecgfeat.arena.table import describe_diagnostic_corpus, describe_rhythm_corpus
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.rhythm.decoding import chosen_view
from ecgfeat.store.schemas import DIAGNOSES, RECORD_PREDICTIONS, RHYTHM_PREDICTIONS
from ecgfeat.store.seal import read_report
from ecgfeat.store.tables import Columns, read_table
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_records


def read_rhythm_predictions() -> list[Columns]:
    """Return the tables of rhythms that heads on beats and systems on signal predict."""
    folders = (paths.PREDICTIONS, paths.SYSTEM_PREDICTIONS)
    return [read_table(folder / "rhythm.parquet", RHYTHM_PREDICTIONS) for folder in folders]


def read_record_predictions(slug: str, names: Sequence[str]) -> tuple[dict[str, Columns], dict[str, str]]:
    """Return the predictions of each system on a diagnostic corpus, and the reason of each that is left out."""
    tables, left_out = {}, {}
    for name in names:
        folder = paths.diagnostic(slug, name)
        training = read_report(folder / "training.json", "training")
        if "left_out" in training:
            left_out[name] = training["left_out"]
        else:
            tables[name] = read_table(folder / "records.parquet", RECORD_PREDICTIONS)
    return tables, left_out


def read_tree_predictions(slug: str) -> dict[str, Columns]:
    """Return the predictions of trees on record figures, and of the baselines beside them, on a diagnostic corpus."""
    table = read_table(paths.record_tree_scores(slug) / "records.parquet", RECORD_PREDICTIONS)
    names = dict.fromkeys(table["model"].tolist())
    return {name: {column: values[table["model"] == name] for column, values in table.items()} for name in names}


def read_timeline_views(names: Sequence[str], num_views: int) -> dict[str, str]:
    """Return the view of the timeline that validation chose, of each system whose head has a decoder."""
    views = {}
    for name in names:
        if isinstance(system := SYSTEMS[name], BeatSystem):
            info = json.loads((paths.HEAD_MODELS[system.head] / "model.json").read_text())["info"]
            if "decoders" in info:
                views[name] = chosen_view(info["decoders"], num_views)
    return views


def describe_corpora(params: Params) -> dict[str, Any]:
    """Describe each corpus, see `ecgfeat.arena.table`."""
    window_s = params.train_window.window_samples / params.signals.fs_hz
    corpora = {}
    for slug in params.corpora:
        rows = [*read_records(slug).values()]
        corpora[slug] = describe_rhythm_corpus(get_corpus(slug), rows, split=params.annotate.split, window_s=window_s)
    for slug in params.diagnostic_corpora:
        corpus, table = get_diagnostic_corpus(slug), read_table(paths.diagnoses(slug), DIAGNOSES)
        corpora[slug] = describe_diagnostic_corpus(corpus, table, corpus.pick_leads(params.crossvalidate.leads))
    return corpora
