"""Search over projects, sessions and clips.

Nothing is imported here: recorders write what is searched (``catalog.search.words``) and need not hold what
searching needs (numpy).
"""
