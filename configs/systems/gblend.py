# Gradient-Blending. `configs/ambiguities.yaml` gives the alternatives and the reason for each
# default.
method = dict(
    initial_encoders="scratch",  # or `infonce`: pre-trained without labels
    weights="offline",  # estimated once before training, or `online`, `equal`, `joint` (naive)
    super_epoch=10,  # epochs between two estimates of `online`
    least_overfitting=0.1,  # smallest overfitting in the ratio, as a share of the largest
    inference="joint",
)
