# One weight for all pairs: the mean of the dynamic weights of the moment.
method = dict(weighting="flat_mean")
