"""Stage local: the folder of one's own recordings -> a digest, for which the corpus ``local`` is acquired anew.

The digest stands for each corpus by itself: a new recording reruns ``acquire`` of ``local`` and of no other corpus.
"""

import sys

from ecgfeat.acquire.own_records import folder_key, split_key
from ecgfeat.corpora.own import LOCAL
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import write_report
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.own import own_folder
from pipeline.run.stage import run_stage

SPLIT = "split"
"""Entry of the table of the split: only ``annotate`` reads it, so that a change of it converts no recording again."""


def main() -> str:
    """Digest the files of the folder, and how they are to be read, if they are a corpus of this run."""
    params = read_params()
    keys = dict.fromkeys([*params.corpora, SPLIT], "")
    if LOCAL.slug in keys:
        source = own_folder(params)
        keys |= {LOCAL.slug: folder_key(source), SPLIT: split_key(source)}
    with publish(paths.OWN) as part:
        write_report(part, "local", keys)
    return f"{params.local.path}: {keys[LOCAL.slug]}" if LOCAL.slug in keys else "no recordings of your own in corpora"


if __name__ == "__main__":
    sys.exit(run_stage("local", main))
