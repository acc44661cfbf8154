# The naive joint network of the paper: the loss of the joint classifier alone.
system = "gblend"
method = dict(weights="joint")
stages = dict(estimate=False)
