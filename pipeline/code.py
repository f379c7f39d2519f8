"""Write code.json: of each stage a digest of the code it runs, by which DVC knows whether a change concerns it."""

import json
import sys

from ecgfeat.store.publish import publish
from pipeline.read import paths
from pipeline.run.code import ROOT, code_digest
from pipeline.run.stage import run_stage

WITHOUT_DIGEST = ("__init__", "check", "code")
"""Scripts that run in a second and depend on the files themselves."""


def main() -> str:
    """Write the digest of every stage, which is every script of ``pipeline/``."""
    stages = sorted(path.stem for path in (ROOT / "pipeline").glob("*.py") if path.stem not in WITHOUT_DIGEST)
    with publish(paths.CODE) as part:
        part.write_text(json.dumps({stage: code_digest(stage) for stage in stages}, indent=1) + "\n")
    return f"{len(stages)} stages"


if __name__ == "__main__":
    sys.exit(run_stage("code", main))
