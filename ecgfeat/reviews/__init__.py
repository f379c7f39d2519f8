"""What a reviewer corrects of a prediction: a log of corrections that can be undone, and scores against them.

A prediction is never changed. A review is the list of what was done, in order, with who and when; the corrected beats
and episodes follow from it.
"""
