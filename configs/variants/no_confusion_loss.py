# w/o L_CL: contrastive and classification losses only, in both stages (the InfoNCE-only model).
method = dict(confusion_weight=0.0)
