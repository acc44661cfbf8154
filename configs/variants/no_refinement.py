# w/o Refinement: the first clusters stay to the end of pre-training.
method = dict(refine_every=0)
