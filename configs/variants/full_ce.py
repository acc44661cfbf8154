# The full method, with cross entropy on the cluster ids in pre-training.
method = dict(cluster_cross_entropy=True)
