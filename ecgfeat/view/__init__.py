"""The local web page: a record on a millimetre grid with calipers, beside what is predicted and annotated."""
