"""From clips to a package in the store: planned within the budget, encoded, packaged, stored, verified."""
