# Eq. 3 on the ranks of the degrees.
method = dict(normalization="rank")
