"""What is drawn on paper of a recording and its prediction: a day on one picture, twelve leads, a PDF."""
