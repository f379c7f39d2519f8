"""What is written of a prediction: tables, annotations, one JSON object, of one recording or of many."""
