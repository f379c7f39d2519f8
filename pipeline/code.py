"""First stage: check params.yaml, put away what belongs to other params, write a digest of the code of each stage.

DVC compares the digests in code.json, so that an edit reruns exactly the stages that import the edited module.
"""

import json
import sys

from ecgfeat.store.publish import publish
from ecgfeat.store.seal import write_report
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.code import ROOT, code_digest
from pipeline.run.leftovers import drop_report_of_others, refuse_beside_another_run, remove_outputs_of_others
from pipeline.run.plots_page import write_plots_template
from pipeline.run.stage import run_stage

WITHOUT_DIGEST = ("__init__", "code")
"""Scripts that are no stage, or depend on the files themselves."""


def main() -> str:
    """Check the params, and digest the code of every stage, which is every script of ``pipeline/``."""
    params = read_params()
    refuse_beside_another_run()
    stages = sorted(path.stem for path in (ROOT / "pipeline").glob("*.py") if path.stem not in WITHOUT_DIGEST)
    digests = {stage: code_digest(stage) for stage in stages}
    before = json.loads(paths.CODE.read_text()) if paths.CODE.is_file() else digests
    removed = remove_outputs_of_others({*params.corpora, *params.diagnostic_corpora, *params.models})
    drop_report_of_others(params.model_dump(), is_code_changed=before != digests)
    with publish(paths.CODE) as part:
        part.write_text(json.dumps(digests, indent=1) + "\n")
    if not paths.REPEATS.is_file():
        with publish(paths.REPEATS) as part:
            write_report(part, "repeats", {})
    write_plots_template()
    put_away = f"; {len(removed)} outputs of other corpora or models put away" if removed else ""
    return f"params.yaml is valid, corpora {' '.join(params.corpora)}; {len(stages)} stages{put_away}"


if __name__ == "__main__":
    sys.exit(run_stage("code", main))
