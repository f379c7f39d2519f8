"""The documentation says what the code does: every block is executed, every table compared, every command looked up."""

import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from ruamel.yaml import YAML

import ecgfeat
from ecgfeat.arena import SYSTEMS, published_size, signal_systems
from ecgfeat.cli import app
from ecgfeat.corpora import CORPORA
from ecgfeat.corpora.own import LOCAL
from ecgfeat.models import MODELS
from ecgfeat.outputs.endings import MADE_BY_ENDING, OUTPUT_ENDINGS, PAGE_ENDINGS
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.reviews.files import REVIEWS
from ecgfeat.store.schemas import ARRAYS, TABLES
from pipeline import local, predict, robustness
from pipeline.params import Params
from pipeline.run.plots_page import write_plots_template
from pipeline.run.repro import compose

ROOT = Path(__file__).parents[2]
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
PROSE = PAGES | {
    name: (ROOT / name).read_text() for name in ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")
}
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGES["inspect.md"], re.M | re.S)
PYTHON = [text for language, text in BLOCKS if language == "python"]
BASH = [text for language, text in BLOCKS if language == "bash"]
ALL_TABLES = TABLES | {schema.name: schema for schema in (RECORD_BEATS, RECORD_EPISODES, REVIEWS)}
YAML_1_2 = YAML(typ="safe")
STAGES = YAML_1_2.load(ROOT / "dvc.yaml")["stages"]
SETTING = re.compile(r"-S '?([\w.]+)=([^\s'`]+)")


def rows_of(page: str, first_cell: str) -> list[list[str]]:
    """Return the body of the table whose head begins with ``first_cell``, cell by cell."""
    lines = PAGES[page].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_cell} |"))
    body = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        body.append([cell.strip() for cell in line.strip("|").split("|")])
    return body


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which DVC and git know nothing of this machine."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))}
    return keep | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder / ".cache" / "dvc"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def finished(arena_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small finished run, known to git and DVC as a clone would be."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(arena_run, folder, dirs_exist_ok=True)
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_bytes((ROOT / ".dvc" / "config").read_bytes())
    with contextlib.chdir(folder):
        write_plots_template()  # as stage code does
        robustness.main()
        local.main()
        predict.main("simulate")
    (folder / ".gitignore").write_text("/data\n/models\n/reports\n/.cache\n")
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "A run"]):
        subprocess.run(["git", *who, *command], cwd=folder, env=environment(folder), check=True)
    return folder


def test_recipes_are_found():
    # A changed fence would otherwise leave the tests below without anything to execute.
    assert {language for language, _ in BLOCKS} == {"python", "bash"}
    assert len(PYTHON) >= 18
    assert len(BASH) >= 6
    assert PAGES["inspect.md"].count("```") == 2 * len(BLOCKS)


@pytest.mark.parametrize("text", BASH, ids=range(len(BASH)))
def test_bash_recipe_runs(text, finished):
    assert run_bash(text, finished).strip()


def test_the_page_of_plots_loads_nothing_from_a_server(finished):
    run_bash("dvc plots show", finished)
    page = (finished / "dvc_plots" / "index.html").read_text()
    assert page.count("vegaEmbed('#") == len(YAML_1_2.load(ROOT / "dvc.yaml")["plots"])
    assert not re.findall(r'<(?:script|link)[^>]*(?:src|href)="http', page)


@pytest.mark.parametrize("text", PYTHON, ids=range(len(PYTHON)))
def test_python_recipe_runs(text, finished, monkeypatch, capsys):
    monkeypatch.chdir(finished)
    if "predicted/" in text and not (finished / "predicted").exists():
        run_bash(next(block for block in BASH if "--out predicted" in block), finished)
    exec(compile(text, "docs/inspect.md", "exec"), {"__name__": "recipe"})
    assert capsys.readouterr().out.strip(), "a recipe answers its question"


def run_bash(text: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("name", ALL_TABLES)
def test_store_page_describes_the_table(name):
    schema = ALL_TABLES[name]
    lines = [
        f"### `{name}`, version {schema.version}",
        "| column | type | unit | meaning |",
        *(f"| `{column}` | {c.type} | {c.unit} | {c.description} |" for column, c in schema.columns.items()),
    ]
    section = PAGES["store.md"].split(f"### `{name}`,")[1].split("\n#")[0]
    found = [f"### `{name}`,{section.splitlines()[0]}"]
    found += [line for line in section.splitlines() if line.startswith("|") and not line.startswith("|---")]
    assert found == lines


def test_store_page_describes_no_table_and_array_that_is_not_there():
    assert re.findall(r"^### `(\w+)`", PAGES["store.md"], re.M) == list(ALL_TABLES)
    assert [row[0].strip("`") for row in rows_of("store.md", "store")] == list(ARRAYS)


@pytest.mark.parametrize("name", ARRAYS)
def test_store_page_describes_the_array(name):
    a = ARRAYS[name]
    row = [f"`{name}`", str(a.version), f"`{a.array}`", a.dtype, ", ".join(a.dimension_names), a.units]
    row += [f"{a.fill:g}", str(a.chunk_rows), str(a.shard_rows)]
    assert row in rows_of("store.md", "store")


def test_store_page_names_every_artifact_and_its_stage(finished):
    listed = {}
    for paths, _, stage in rows_of("store.md", "path"):
        for path in re.findall(r"`([^`]+)`", paths):
            listed[path.rstrip("/")] = re.findall(r"`([^`]+)`", stage)
    made_by_stages = {path: stages for path, stages in listed.items() if set(stages) & set(STAGES)}
    for path in made_by_stages:
        assert list(finished.glob(re.sub(r"<\w+>", "*", path))), path
    shared = {"models/diagnostic", "models/record_trees", "models/systems"}
    shared |= {
        f"reports/{name}" for name in ("diagnostic", "outside", "predicted", "predictions", "record_trees", "systems")
    }
    patterns = (
        "data/*.json",
        "data/*/*",
        "models/*",
        "models/systems/*",
        "models/record_trees/*",
        "models/diagnostic/*/*",
    )
    patterns += ("reports/*", "reports/outside/*", "reports/predicted/*", "reports/predictions/*", "reports/systems/*")
    patterns += ("reports/record_trees/*/*", "reports/diagnostic/*/*/*")
    there = {as_documented(path.relative_to(finished)) for pattern in patterns for path in finished.glob(pattern)}
    assert there - shared == set(made_by_stages)
    for path, stage in ((path, stage) for path, stages in made_by_stages.items() for stage in stages):
        outs = [re.sub(r"\$\{item\.(\w+)\}", r"<\1>", str(out)) for out in STAGES[stage].get("outs", [])]
        outs += [str(metric) for metric in STAGES[stage].get("metrics", [])]
        assert any(path == out or path.startswith(f"{out}/") for out in outs), f"{path} by {stage}"


def test_store_page_names_what_predict_writes():
    listed = {path for paths, *_ in rows_of("store.md", "path") for path in re.findall(r"`<record>([^`]+)`", paths)}
    endings = [ending for of in OUTPUT_ENDINGS.values() for ending in of]
    assert {*endings, *PAGE_ENDINGS.values(), MADE_BY_ENDING} <= listed


def as_documented(path: Path) -> str:
    """Return a path with placeholders for the names of corpora and models."""
    parts = [*path.parent.parts, path.stem, path.suffix]
    names = {"simulate": "<corpus>", "simulate12": "<corpus>"} | dict.fromkeys(SYSTEMS, "<model>")
    *folders, stem, suffix = [names.get(part, part) for part in parts]
    return "/".join([*folders, stem + suffix])


def test_tables_on_disk_keep_the_contract(finished):
    # What `ecgfeat predict` writes has null for no rhythm, and is compared in tests/outputs.
    reports = (path for path in finished.glob("reports/**/*.parquet") if "predicted" not in path.parts)
    paths = sorted([*finished.glob("data/*/*.parquet"), *reports])
    found = set()
    for path in paths:
        table = pq.read_table(path, page_checksum_verification=True)
        header = json.loads(table.schema.metadata[b"ecgfeat"])
        found.add(header["schema"])
        schema = TABLES[header["schema"]]
        assert header["version"] == schema.version
        assert header["params"] is not None
        assert table.column_names == list(schema.columns)
        for field in table.schema:
            column = schema.columns[field.name]
            assert field.type == column.type
            assert field.metadata == {key.encode(): text.encode() for key, text in column.metadata().items()}
            assert column.causal is not None or table[field.name].null_count == 0
            if column.causal is not None:
                assert not np.isnan(table[field.name].drop_null().to_numpy()).any()
        if path.parent.parent.name == "data":
            of = "diagnoses" if path.stem == "simulate12" else "records"
            order = pq.read_table(finished / f"data/{of}" / path.name)["record"].to_pylist()
            records = table["record"].to_pylist()
            assert records == sorted(records, key=order.index)
            place = next((n for n in ("sample", "start_sample") if n in table.column_names), None)
            if place:
                rows = list(zip(map(order.index, records), table[place].to_pylist(), strict=True))
                assert rows == sorted(rows)
    assert found == set(TABLES)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_on_disk_keep_the_contract(name, finished):
    schema = ARRAYS[name]
    corpus = "simulate12" if name == "leads" else "simulate"
    path = finished / "data" / name / f"{corpus}.zarr"
    group = zarr.open_group(path, mode="r")
    by_digest = {"layout_sha256", "digest"}
    assert set(group.attrs) == {"schema", "version", "params", "records", "source", "digests", "complete", *by_digest}
    documented = {key for row in rows_of("store.md", "attribute") for key in re.findall(r"`(\w+)`", row[0])}
    assert documented == set(group.attrs)
    metadata = json.loads((path / schema.array / "zarr.json").read_text())
    assert metadata["attributes"] == {"units": schema.units, "long_name": schema.long_name}
    assert tuple(metadata["dimension_names"]) == schema.dimension_names
    (sharding,) = metadata["codecs"]
    assert [codec["name"] for codec in sharding["configuration"]["codecs"]] == ["bytes", "zstd", "crc32c"]
    assert sharding["configuration"]["chunk_shape"][0] == schema.chunk_rows
    assert metadata["chunk_grid"]["configuration"]["chunk_shape"][0] == schema.shard_rows
    stops = [stop for _, stop in group.attrs["records"].values()]
    assert [start for start, _ in group.attrs["records"].values()] == [0, *stops[:-1]]
    assert stops[-1] == metadata["shape"][0]
    section = PAGES["store.md"].split("### Alignment")[1].split("\n#")[0]
    source = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.M))
    file = finished / source[name].replace("<corpus>", corpus)
    assert group.attrs["source"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("file", "heading"),
    [
        ("data/raw/simulate/corpus.json", "Raw records"),
        ("data/diagnostic/simulate12/corpus.json", "Raw records"),
        ("models/htf/model.json", "Models"),
        ("models/timeline/model.json", "Models"),
        ("models/window/model.json", "Models"),
        ("models/systems/resnet1d/system.json", "Systems"),
        ("models/diagnostic/simulate12/ecg_ramba/fold1/system.json", "Systems"),
    ],
)
def test_descriptions_on_disk_hold_the_documented_keys(file, heading, finished):
    section = PAGES["store.md"].split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.M)
    assert [key for cell in cells for key in re.findall(r"`(\w+)`", cell)] == list(
        json.loads((finished / file).read_text())
    )


def test_metrics_hold_the_fixed_keys(finished):
    metrics = json.loads((finished / "reports/scores.json").read_text())
    assert list(metrics) == sorted(metrics)
    section = PAGES["store.md"].split("\n## Numbers\n")[1].split("\n## ")[0].replace("\n  ", " ")
    places = {
        "rpeaks.<corpus>.": [metrics["rpeaks"]["simulate"]],
        "beats.<corpus>.<history>.": list(metrics["beats"]["simulate"].values()),
        "rhythm.<corpus>.<head>.<protocol>.<single|tta7|viterbi>.": [
            scores
            for protocols in metrics["rhythm"]["simulate"].values()
            for views in protocols.values()
            for scores in views.values()
        ],
        "oracles.": [metrics["oracles"]],
        "oracles_by_protocol.<protocol>.": list(metrics["oracles_by_protocol"].values()),
    }
    points = re.findall(r"^\* `([^`]+)` (.*)$", section, re.M)
    assert [place for place, _ in points] == list(places)
    for place, keys in points:
        for key in re.findall(r"`([\w.<>]+)`", keys):
            assert all(key.split(".")[0] in scores for scores in places[place]), key


def test_no_artifact_holds_a_path_a_user_or_a_host(finished):
    # Those that are text; params and attributes of the others are compared above and in test_store.py.
    forbidden = [str(finished), os.uname().nodename, str(Path.home())]
    for path in finished.glob("*/**/*"):
        if path.suffix in (".json", ".html", ".csv", ".hea") and path.parts[len(finished.parts)] != ".cache":
            text = path.read_text()
            assert not [word for word in forbidden if len(word) > 5 and word in text], path


def depends(stage: dict, outs: list[str]) -> bool:
    return any(out == dep or out.startswith(f"{dep}/") for out in outs for dep in stage.get("deps", []))


def outs_of(names: list[str]) -> list[str]:
    return [str(out) for name in names for out in STAGES[name].get("outs", [])]


def stages_touched(keys: list[str], targets: list[str]) -> list[str]:
    """Return the stages that track one of the params, and all that depend on them, as far as the targets need them."""
    touched, needed = [], list(targets or STAGES)
    for name, stage in STAGES.items():
        tracked = [entry for entry in stage.get("params", []) if isinstance(entry, str)]
        if "${item.model}" in tracked:
            tracked = [*tracked, *SYSTEMS]
        own = any(key == entry or key.startswith(f"{entry}.") for key in keys for entry in tracked)
        if own or depends(stage, outs_of(touched)):
            touched.append(name)
    for name in reversed(STAGES):
        if any(depends(STAGES[after], outs_of([name])) for after in needed):
            needed.append(name)
    return [name for name in touched if name in needed]


ABLATIONS = rows_of("ablations.md", "ablation")
with contextlib.chdir(ROOT):
    MITDB = compose(["preset=mitdb"])
NEGATIVE = [row[:4] for row in rows_of("ablations.md", "published negative result")]


@pytest.mark.parametrize("row", ABLATIONS + NEGATIVE, ids=[row[0] for row in ABLATIONS + NEGATIVE])
def test_ablation_line_is_valid_and_says_what_reruns(row):
    _, line, reruns, published = row
    assert line.startswith("`dvc exp run -S preset=mitdb -S ")
    settings = SETTING.findall(line)[1:]
    assert len(settings) + 1 == line.count("-S")
    targets = re.search(r"((?: [a-z_]+)*)`$", line).group(1).split()
    assert set(targets) <= set(STAGES), f"{targets}: a stage to stop at"
    tree = MITDB.model_dump()
    for key, value in settings:
        *sections, name = key.split(".")
        section = tree
        for part in sections:
            section = section[part]
        assert name in section, key
        assert section[name] != YAML_1_2.load(value), f"{key}={value} changes nothing"
        section[name] = YAML_1_2.load(value)
    Params.model_validate(tree)
    with contextlib.chdir(ROOT):
        compose(["preset=mitdb", *(f"{key}={value}" for key, value in settings)])
    changed = [key for key, value in settings if (key, value) != ("resnet1d.width", "16")]  # which is their baseline
    assert reruns.split(", ") == stages_touched(changed, targets)
    assert published


def test_every_published_negative_result_has_its_line():
    assert [SETTING.findall(row[1])[-1][0] for row in NEGATIVE] == [
        "resnet1d.hrv",
        "resnet1d.focal_gamma",
        "resnet1d.width",
        "resnet1d.epochs",
        "resnet1d.scales",
        "arena.ensemble",
        "embed.dtype",
        "resnet1d.pretrain_epochs",
        "corpora",
    ]


def test_every_published_ablation_has_its_line():
    keys = {key for row in ABLATIONS for key, _ in SETTING.findall(row[1])}
    assert keys >= {
        "embed.dtype",
        "evaluate.views",
        "train_window.pretrain_epochs",
        "rhythm.history",
        "train_htf.history_beats",
        "train_window.window_samples",
        "windows.num_samples",
        "train_window.focal_gamma",
        "train_window.class_weight_power",
        "rhythm.rr_features",
    }
    assert {value for row in ABLATIONS for key, value in SETTING.findall(row[1]) if key == "embed.dtype"} == {
        "float16",
        "live",
    }


def test_corpora_page_says_what_the_code_knows():
    rows = {row[0].strip("`"): row[1:] for row in rows_of("corpora.md", "slug")}
    assert list(rows) == list(CORPORA)
    for slug, corpus in CORPORA.items():
        version, records, subjects, fs_hz, leads, rhythms, beats, split, licence = rows[slug]
        assert (version, licence, split) == (corpus.version, corpus.licence, corpus.default_split)
        assert fs_hz == (f"{corpus.fs_hz:g}" if corpus.fs_hz else "of each record")
        assert leads == (", ".join(corpus.lead_names) or f"{corpus.num_leads or 'of each record'}, names differ")
        assert (rhythms, beats) == (corpus.annotation, corpus.beat_annotation or corpus.annotation)
        if corpus.records:
            assert int(records) == len(corpus.records)
            assert int(subjects) == len({corpus.subject_of(record) for record in corpus.records})
        else:
            by_list = "by list" if corpus.subjects else "one per record"
            by_list = "by `local.subject`" if corpus is LOCAL else by_list
            assert subjects == ("by name" if corpus.subject_pattern else by_list)
        section = PAGES["corpora.md"].split(f"\n## `{slug}`: ")[1].split("\n## ")[0]
        title, citation, _ = section.split("\n\n", 2)
        assert (title, " ".join(citation.split())) == (corpus.title, corpus.citation)
        section = section.replace("\n  ", " ")  # one line per point
        points = [line[2:] for line in section.splitlines() if line.startswith("* ")]
        assert [point for point in points if not point.startswith("Not used: ")] == list(corpus.quirks)
        not_used = {
            record: why
            for records, why in re.findall(r"^\* Not used: ([\w ]+): (.*)\.$", section, re.M)
            for record in records.split()
        }
        assert not_used == dict(corpus.excluded)


def test_model_card_counts_parameters():
    card = PAGES["model-card.md"]
    published = [name for name, system in signal_systems().items() if system.parameters or f"`{name}`" in card]
    for name in (*MODELS, *published):
        assert f"`{name}`" in card, f"{name} is not on the card"
        assert f"{published_size(name):,}" in card


def test_code_reads_nothing_that_can_execute():
    # What SECURITY.md promises.
    files = [path for folder in ("ecgfeat", "pipeline") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 40
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "joblib", "shelve", "dill", "marshal", "yaml"} & set(names), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                assert called != "torch.load", path
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                if called == "np.load":
                    assert keywords.get("allow_pickle") == "False", path
                if called == "YAML" or called.endswith(".YAML"):
                    assert keywords.get("typ") == "'safe'", path


def test_version_is_the_same_everywhere():
    citation = YAML_1_2.load(ROOT / "CITATION.cff")
    assert str(citation["version"]) == ecgfeat.__version__
    assert citation["license"] == "MIT"
    assert re.search(r"^## (\S+)", PROSE["CHANGELOG.md"], re.M).group(1) == ecgfeat.__version__
    assert f'version = "{ecgfeat.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_hooks_are_local_and_run_tools_of_the_environment():
    config = YAML_1_2.load(ROOT / ".pre-commit-config.yaml")
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {"ruff-check", "ruff-format", "mypy", "large-files"} <= {hook["id"] for hook in hooks}
    for hook in hooks:
        assert hook["language"] in ("system", "fail")
        if hook["language"] == "system":
            assert hook["entry"].startswith(".venv/bin/"), hook["id"]


@pytest.mark.parametrize("name", PROSE)
def test_prose_names_what_exists(name):
    text = PROSE[name]
    if name == "extend.md":  # its blocks add what does not exist yet; test_extend.py runs them
        text = re.sub(r"^```.*?^```$|PRESET=mydb", "", text, flags=re.M | re.S)
    folder = ROOT / "docs" if name in PAGES else ROOT
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (folder / target).exists(), target
    for preset in re.findall(r"PRESET=([\w-]+)", text):
        assert (ROOT / "conf" / "preset" / f"{preset}.yaml").is_file(), preset
    for module in re.findall(r"python -m ((?:benchmarks|pipeline)(?:\.\w+)+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for path in re.findall(r"`((?:ecgfeat|tests|pipeline|docs|conf)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for stage in re.findall(r"dvc repro (\w+)", text):
        assert stage in STAGES, stage
    for command in re.findall(r"`ecgfeat (\w+)", text):
        assert command in {one.name or one.callback.__name__ for one in app.registered_commands}, command
    sections = YAML_1_2.load(ROOT / "params.yaml")
    for section, key in re.findall(r"`(\w+)\.(\w+)(?:: \w+)?`", text):
        if section in sections and section != "report":
            assert key in sections[section], f"{section}.{key}"


@pytest.mark.parametrize("name", PROSE)
def test_prose_has_no_riddles(name):
    # Words that a reader with another mother tongue stumbles over; in code and names of tests they may occur.
    text = re.sub(r"^```.*?^```$|`[^`]*`", "", PROSE[name], flags=re.M | re.S)
    riddles = "told|asked|judged|spoils?|spoiled|nobody|somebody|whoever|bouts?|seed protocol"
    assert not re.findall(rf"\b(?:{riddles})\b", text.replace("as asked", ""), re.I)
