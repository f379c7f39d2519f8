"""Stage acquire: a mirror, PhysioNet or the simulator -> raw WFDB records, verified and whole."""

import json
import os
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from ecgfeat.corpora import get_corpus
from ecgfeat.download import acquire_corpus
from ecgfeat.simulate import render_annotations, simulate_corpus
from pipeline import paths
from pipeline.params import Params, read_params
from pipeline.stage import CACHE, run_stage
