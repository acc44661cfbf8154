# w/o L_InfoNCE: no contrastive loss between audio and video in either stage.
method = dict(infonce_weight=0.0)
