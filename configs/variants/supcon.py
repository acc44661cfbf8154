# Opponent: the supervised contrastive loss (Khosla et al., 2020) in place of the confusion loss, on
# the same labels or cluster ids. It has no weights of pairs of classes.
method = dict(pair_loss="supcon", weighting="static")
