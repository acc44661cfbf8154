# w/o K-means as in the paper: like no_kmeans, but pre-trained on a single source. At equal epochs
# it also takes fewer optimiser steps, so it changes clips and length of training at once.
pretrain = dict(confusion_weight=0.0, cluster_cross_entropy=False, sources=["embedded-a"])
scales = dict(
    vggsound=dict(pretrain=dict(sources=["audioset"])),
    frozen=dict(pretrain=dict(sources=["audioset"])),
)
