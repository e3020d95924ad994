"""The value types that cross rooms: frozen, keyword-only, units in the names."""
