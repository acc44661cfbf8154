# Weights that are estimated again at the start of each super-epoch.
system = "gblend"
method = dict(weights="online")
stages = dict(estimate=False)
