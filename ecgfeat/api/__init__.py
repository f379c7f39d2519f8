"""The library in a few words: read a recording, predict it, look at a finished run.

``import ecgfeat as ef`` has its functions: ``ef.read``, ``ef.predict``, ``ef.open_run``.
"""
