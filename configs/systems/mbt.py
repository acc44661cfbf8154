# The choices of MBT; `configs/ambiguities.yaml` gives the alternatives and the reason for each.
method = dict(
    initial_encoders="scratch",  # or `infonce`: pre-trained without labels
    bottlenecks=4,
    fusion_layer=2,  # of 4 layers
    fusion="bottleneck",
    pooling="class_token",
    objective="each_modality",
)
scales = dict(vggsound=dict(method=dict(fusion_layer=8)))  # of 12 layers
