"""What several stages read from the artifacts of earlier ones."""
