# Eq. 3 over ranks.
method = dict(normalization="rank")
