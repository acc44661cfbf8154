# w/o M_ij: the confusion loss has a static weight.
method = dict(weighting="static")
