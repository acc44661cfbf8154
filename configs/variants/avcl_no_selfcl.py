# AVCL without SelfCL: pre-training has CGRA alone.
system = "avcl"
method = dict(selfcl_weight=0.0)
