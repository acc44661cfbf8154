# w/o L_InfoNCE: no contrast between audio and video features, in both stages.
method = dict(infonce_weight=0.0)
