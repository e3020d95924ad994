"""The file that recorder and agent both write: one segment, its label, how it is sealed (invariant 1)."""
