# Early fusion: the modalities exchange information in every layer.
system = "mbt"
method = dict(fusion_layer=0)
