# Perceiver IO whose projections and positions of the patches start from InfoNCE pre-training.
system = "perceiver"
method = dict(initial_encoders="infonce")
