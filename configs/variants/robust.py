# Eq. 3 capped at the 99th percentile.
method = dict(normalization="robust")
