"""`hvaedsl lint`: finding specs, selecting advice, ignore comments, fixes, and the cache."""
