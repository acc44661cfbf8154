# GBlend whose encoders start from InfoNCE pre-training.
system = "gblend"
method = dict(initial_encoders="infonce")
