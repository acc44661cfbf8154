# w/o L_CL, with cross entropy on the cluster ids in pre-training.
method = dict(confusion_weight=0.0)
pretrain = dict(cluster_cross_entropy=True)
