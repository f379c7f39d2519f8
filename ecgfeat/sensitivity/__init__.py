"""What one change in how a record was taken, or in what a model is given, does to the scores."""
