# Control: the confusion of the best possible classifier in place of the degrees of Eq. 2, on the
# embedded benchmark.
method = dict(weighting="oracle")
