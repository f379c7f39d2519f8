"""The stages of dvc.yaml: each reads, calls ecgfeat, writes and prints one closing line."""
