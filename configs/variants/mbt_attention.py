# Full attention to the tokens of both modalities instead of bottlenecks.
system = "mbt"
method = dict(fusion="attention")
