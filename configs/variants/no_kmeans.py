# w/o K-means, on the same clips: pre-training with InfoNCE only; fine-tuning as in the full method.
pretrain = dict(confusion_weight=0.0, cluster_cross_entropy=False)
