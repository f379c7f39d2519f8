"""The stages of dvc.yaml: each reads, calls ecgfeat, writes and prints one closing line."""

import os
import sys

from ecgfeat.process import prepare_process
from pipeline.run.lifeline import end_with_parents, is_stage

# Before anything slow is imported: a stage ends with the run that started it.
if is_stage(sys.orig_argv):
    end_with_parents()

prepare_process()
# What CUDA needs to give the same bytes twice.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
