"""The sample: a month of twenty made-up projects, with every awkward case, for training and tests."""
