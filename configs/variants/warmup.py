# The warm-up: a short InfoNCE training whose features give the initial clusters, shared by all
# variants of a seed.
method = dict(confusion_weight=0.0, cluster_cross_entropy=False)
stages = dict(finetune=False)
