# The method as the paper describes it, on token encoders.
inputs = "tokens"
