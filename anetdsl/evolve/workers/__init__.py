"""Workers of a search: run trials on threads of this machine or on a Dask cluster."""
