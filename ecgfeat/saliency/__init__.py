"""What moved a number of a model: attributions on the trace, the share that they explain, and a check beside them."""
