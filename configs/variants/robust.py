# Eq. 3 on degrees that are capped at their 99th percentile.
method = dict(normalization="robust")
