# Attn AV whose encoders of both models start from InfoNCE pre-training.
system = "attn_av"
method = dict(initial_encoders="infonce")
