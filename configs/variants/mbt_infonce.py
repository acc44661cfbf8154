# MBT whose encoders start from InfoNCE pre-training.
system = "mbt"
method = dict(initial_encoders="infonce")
