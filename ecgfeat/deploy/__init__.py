"""Trained models elsewhere: ONNX files, the default models without torch, 8-bit integers, endless signals, cost."""
