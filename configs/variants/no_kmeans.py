# w/o K-means on the same clips: pre-training aligns audio and video only; fine-tuning is the full method's.
pretrain = dict(confusion_weight=0.0, cluster_cross_entropy=False)
