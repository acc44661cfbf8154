# Eq. 4 as printed: a sum over pairs.
method = dict(pair_reduction="sum")
