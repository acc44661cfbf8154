# Control: 2 - w in place of each dynamic weight w, so that the most confused pairs count least.
method = dict(weighting="inverted")
