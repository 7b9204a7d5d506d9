"""Fetching and building the guests that Lull boots: see scripts/guest."""
