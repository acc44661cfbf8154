# Late fusion: no layer exchanges information; final LayerNorm and head are shared.
system = "mbt"
method = dict(fusion_layer=4)
scales = dict(vggsound=dict(method=dict(fusion_layer=12)))
