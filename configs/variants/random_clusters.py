# Control: random cluster ids of the same sizes in pre-training.
method = dict(cluster_ids="random")
