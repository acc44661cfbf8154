# The encoder whose features are clustered first: a short InfoNCE training, shared by all variants of a seed.
method = dict(confusion_weight=0.0, cluster_cross_entropy=False)
stages = dict(finetune=False)
