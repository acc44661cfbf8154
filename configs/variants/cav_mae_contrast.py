# CAV-MAE pre-trained without reconstruction: the contrast of masked clips alone.
system = "cav_mae"
method = dict(reconstruction_weight=0.0)
