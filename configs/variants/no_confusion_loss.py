# w/o L_CL: only contrastive and classification losses in both stages (the InfoNCE-only model).
method = dict(confusion_weight=0.0)
