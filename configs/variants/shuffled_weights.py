# Control: each pair of classes has the dynamic weight of another pair, by one permutation a seed.
method = dict(weighting="shuffled")
