# AVCL without SelfCL: pre-training has CGRA alone, which constant features would satisfy too.
system = "avcl"
method = dict(selfcl_weight=0.0)
