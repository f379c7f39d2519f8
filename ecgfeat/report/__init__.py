"""Pictures of the results: ECG strips, figures, and the self-contained HTML page."""
