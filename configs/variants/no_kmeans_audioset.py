# w/o K-means as the paper has it: as no_kmeans, and pre-trained on one source only.
pretrain = dict(confusion_weight=0.0, cluster_cross_entropy=False, sources=["embedded-a"])
scales = dict(vggsound=dict(pretrain=dict(sources=["audioset"])))
