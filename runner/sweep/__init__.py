"""Sweeps: many runs, composed fast, done by a pool, taken up again after a kill."""
