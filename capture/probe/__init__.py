"""Looks at a source for some seconds and says what a recording of it would be like."""
