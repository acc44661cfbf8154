# All three losses with equal weights.
system = "gblend"
method = dict(weights="equal")
stages = dict(estimate=False)
