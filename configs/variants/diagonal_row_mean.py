# Pairs of one class get the mean weight of the class over all other classes, not 1.
method = dict(diagonal_weight="row_mean")
