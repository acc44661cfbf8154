# Degrees divided by their mean instead of Eq. 3.
method = dict(normalization="mean_one")
