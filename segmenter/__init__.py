"""From a project's timeline to its clips, and the gaps in them."""
