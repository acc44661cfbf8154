# Weights that are estimated again at the start of each super-epoch (Algorithm 2).
system = "gblend"
method = dict(weights="online")
stages = dict(estimate=False)
