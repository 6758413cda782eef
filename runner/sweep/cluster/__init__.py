"""A sweep on a cluster of dask.distributed: its workers, and the way to them and back."""
