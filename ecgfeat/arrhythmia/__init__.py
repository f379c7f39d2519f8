"""The rhythm of every beat from intervals and calibrated beat classes, learnt from corrupted annotations."""
