# The mean over all pairs of a batch, where pairs of one class are few.
method = dict(pair_reduction="plain_mean")
