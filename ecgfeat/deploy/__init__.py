"""A trained system elsewhere: ONNX files, 8-bit integers, signals that do not end, cost."""
