# One weight for all pairs of classes: the mean of the current dynamic weights.
method = dict(weighting="flat_mean")
