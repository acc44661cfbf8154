# CAV-MAE pre-trained without contrast: the joint masked autoencoder alone.
system = "cav_mae"
method = dict(contrast_weight=0.0)
