# w/o M_ij: the confusion loss keeps a static weight throughout.
method = dict(weighting="static")
