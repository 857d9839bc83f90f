"""Where batches come from: the order of a data set and how its rows reach the devices."""
