# The average of the two models: a gate of 1/2 that is not learned.
system = "attn_av"
method = dict(gate="half")
