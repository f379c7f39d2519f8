"""The stages of dvc.yaml: each reads, calls ecgfeat, writes and prints one closing line."""

import os
import sys

from pipeline.run.lifeline import end_with_parents, is_stage

# Before anything slow is imported: a stage ends with the run that started it.
if is_stage(sys.orig_argv):
    end_with_parents()

# Set before torch is imported. Threads that spin for long while they wait for each other stall on a machine that is
# shared; threads that do not spin at all take nearly twice as long on one that is not.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
# What CUDA needs to give the same bytes twice.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
