"""The diagnosis of a whole record by boosted trees on some two hundred figures of it: a small classifier to beat."""
