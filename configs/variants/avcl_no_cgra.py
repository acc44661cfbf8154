# AVCL without CGRA, in both stages.
system = "avcl"
method = dict(cgra_weight=0.0)
