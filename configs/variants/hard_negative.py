# Opponent: each pair of clips is weighted by its own loss instead of by its pair of classes.
method = dict(weighting="hard_negative")
