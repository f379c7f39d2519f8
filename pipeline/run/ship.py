"""Put the models of a finished run into the package, with the numbers that were measured of them: ``make ship``.

``ecgfeat/pretrained/<preset>`` gets the models, ``docs/results/<preset>.json`` the numbers of ``reports/outside.json``.
The models that are shipped are those that were scored, or nothing is shipped.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ecgfeat.acquire.manifest import read_manifest
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.errors import DataError
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import FOLDER
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import hash_file, publish
from ecgfeat.store.seal import read_report
from ecgfeat.version import __version__
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.run.stage import run_stage

MOST_BYTES: Final = 12_000_000
"""All files of the shipped models together."""

PARTS: Final = (Path("beats/classifier"), Path("rhythm"))
RESULTS: Final = Path("docs/results")


def main(preset: str) -> str:
    """Ship the models in ``models/`` under the name of a preset."""
    params = read_params()
    scores = read_report(paths.OUTSIDE, "outside")
    checksums = dict(load_models(paths.MODELS).checksums)
    if scores["models"] != checksums or scores["split"] != "test":
        raise DataError(
            str(paths.OUTSIDE),
            found="scores of other models or records",
            expected="those of the models in models/, on test records",
            remedy="Run: dvc repro outside",
        )
    numbers = pick_results(scores)
    with publish(FOLDER / preset) as folder:
        for part in PARTS:
            shutil.copytree(paths.MODELS / part, folder / part)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > MOST_BYTES:
            raise DataError(str(FOLDER / preset), found=f"{size:,} bytes", expected=f"{MOST_BYTES:,} at most")
        files = {path.relative_to(folder).as_posix(): hash_file(path) for path in sorted(folder.rglob("*.*"))}
        (folder / "made.json").write_text(json.dumps(_describe_run(preset, params, files), indent=1) + "\n")
    results = {
        "preset": preset,
        "command": "make ship" if preset == "real" else f"make ship PRESET={preset}",
        "models": {_plain_name(name): {"file": name, "sha256": value} for name, value in files.items()},
        **numbers,
    }
    with publish(RESULTS / f"{preset}.json") as part:
        part.write_text(json.dumps(plain_numbers(results), indent=1) + "\n")
    return f"{len(files)} files, {size:,} bytes in {FOLDER.name}/{preset}; numbers in {RESULTS / preset}.json"


def pick_results(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the numbers that pages quote, by fixed names, each with the bounds of its interval.

    Parameters
    ----------
    scores : mapping
        Content of ``reports/outside.json``.

    Returns
    -------
    dict
        A score ``x`` stands beside ``x_low`` and ``x_high``, which are None where it has no interval. Corpora that were
        not scored are left out.
    """
    results: dict[str, Any] = {}
    without = scores.get("without", {"beats": {}, "rhythm": {}})
    if "mitdb" in without["beats"]:
        beats, kept = scores["beats"]["mitdb"], without["beats"]["mitdb"]
        numbers = dict(_scores_of_beats(beats)) | {"mean_s_f1_of_records": beats["mean_s_f1"]}
        numbers |= {_name_without(name, "232"): value for name, value in _scores_of_beats(kept)}
        results["mitdb_ds2"] = {"beats": numbers, "usable_share": scores["records"]["mitdb"]["usable_share"]}
    if "mitdb" in without["rhythm"]:
        rhythm, kept = (of["mitdb"] for of in (scores["rhythm"], without["rhythm"]))
        numbers = dict(_numbers_of_rhythm(_named(rhythm)))
        numbers |= {_name_without(name, "232"): value for name, value in _numbers_of_rhythm(_named(kept))}
        results.setdefault("mitdb_ds2", {})["rhythm"] = numbers
    for slug, name in (("cinc2017", "cinc2017_held"), ("ptbxl", "ptbxl")):
        if {"af", "normal"} <= set(scores["records"].get(slug, {})):
            results[name] = dict(_numbers_of_records(scores["records"][slug]))
    for corpus, heads in scores["rhythm"].items():
        for head, views in heads.items():
            if head.startswith("labels_"):
                results[f"{corpus}_{head}"] = dict(_numbers_of_rhythm(views["viterbi"]))
    return results


def _name_without(name: str, record: str) -> str:
    """Return the name of a score, or of a bound of it, without a record."""
    for bound in ("_low", "_high"):
        if name.endswith(bound):
            return f"{name.removesuffix(bound)}_without_{record}{bound}"
    return f"{name}_without_{record}"


def _named(heads: Mapping[str, Any]) -> Any:
    """Return the scores of the rhythms that a user is given."""
    return next(iter(heads.values()))["viterbi"]


def _scores_of_beats(beats: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Yield scores over whole records, counted as EC57 does: an F or Q beat called V is no false positive."""
    counted = beats["bxb"]
    for name in (f"{c}_{score}" for c in "nsv" for score in ("f1", "sensitivity", "positive_predictivity")):
        bound = counted.get("interval", {}).get(name, {})
        yield from ((name, counted[name]), (f"{name}_low", bound.get("low")), (f"{name}_high", bound.get("high")))
    yield "v_f1_plain", beats["v_f1"]


def _numbers_of_rhythm(rhythm: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    interval, af = rhythm.get("interval", {}), rhythm["af"]
    entries = [("macro_f1", rhythm["macro_f1"], interval.get("macro_f1", {}))]
    entries += [
        (f"{name.lower()}_f1", value, interval.get("f1", {}).get(name, {})) for name, value in rhythm["f1"].items()
    ]
    entries += [
        (f"af_{name}", af[name], af.get("interval", {}).get(name, {}))
        for name in ("duration_sensitivity", "duration_positive_predictivity")
    ]
    for name, value, bound in entries:
        yield from ((name, value), (f"{name}_low", bound.get("low")), (f"{name}_high", bound.get("high")))
    yield "episode_macro_f1", _episode_macro_f1(rhythm["episodes"])


def _episode_macro_f1(episodes: Mapping[str, Any]) -> float | None:
    """Return the mean over rhythms of the F1 of episodes; of rhythms that the reference has."""
    f1 = []
    for of in episodes.values():
        if of["num_reference_episodes"]:
            pair = of["episode_sensitivity"] or 0.0, of["episode_positive_predictivity"] or 0.0
            f1.append(2 * pair[0] * pair[1] / sum(pair) if sum(pair) else 0.0)
    return sum(f1) / len(f1) if f1 else None


def _numbers_of_records(of: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for suffix, score in (("", "both"), ("_rr_trees", "rr_trees"), ("_rr_irregular", "rr_irregular")):
        for name, key in (("af_auroc", "auroc"), ("af_auprc", "auprc"), ("a_vs_n_auroc", "auroc_normal")):
            for bound in ("", "_low", "_high"):
                yield f"{name}{suffix}{bound}", of["af"][score].get(f"{key}{bound}")
    for name in ("sensitivity", "specificity", "f1"):
        for bound in ("", "_low", "_high"):
            yield f"af_rule_{name}{bound}", of["af_rule"].get(f"{name}{bound}")
    for bound in ("", "_low", "_high"):
        yield f"af_share_of_af_free{bound}", of["free_of_af"].get(f"share_called_af{bound}")
        yield f"ectopic_share_normal{bound}", of["normal"].get(f"share_ectopic{bound}")
    yield "usable_share", of["usable_share"]
    yield "certainty_ece", of.get("certainty", {}).get("ece")
    yield "num_records", of["num_records"]


def _describe_run(preset: str, params: Params, files: Mapping[str, str]) -> dict[str, Any]:
    """Say from what the models were made."""
    code = json.loads(paths.CODE.read_text())
    return {
        "preset": preset,
        "version": __version__,
        "seed": params.seed,
        "code": {stage: code[stage] for stage in ("train_beats", "train_rhythm")},
        "params": {name: getattr(params, name).model_dump() for name in ("corruption", "train_beats", "train_rhythm")},
        "data": dict(_describe_data(params)),
        "sha256": dict(files),
    }


def _describe_data(params: Params) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the corpora that the models were trained on: version, licence, citation and checksum of their files."""
    rhythm = [
        (get_corpus(slug), paths.raw(slug)) for slug in params.inside([*params.corpora, *params.annotations.corpora])
    ]
    short = params.inside(params.short_records.corpora)
    for corpus, folder in (*rhythm, *((get_diagnostic_corpus(slug), paths.diagnostic_raw(slug)) for slug in short)):
        files = json.dumps(read_manifest(folder)["files"], sort_keys=True)
        yield (
            corpus.slug,
            {
                "title": corpus.title,
                "version": corpus.version,
                "licence": corpus.licence,
                "citation": corpus.citation,
                "files_sha256": sha256(files.encode()).hexdigest(),
            },
        )


def _plain_name(file: str) -> str:
    """Return a name without dots and slashes, so that a path of keys can be written with dots."""
    return file.replace("/", "_").replace(".", "_")


if __name__ == "__main__":
    sys.exit(run_stage("ship", main))
