"""What stands behind: the plate, what it learns and forgets, and what is invented where nothing was seen."""
