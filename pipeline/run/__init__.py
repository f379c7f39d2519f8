"""How stages are run: one stage, a preset, repeats; where each artifact lies."""
