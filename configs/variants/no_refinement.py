# w/o Refinement: pre-training keeps the initial clusters.
method = dict(refine_every=0)
