"""Studies: what makes the pages of docs/results from many runs of the command line."""
