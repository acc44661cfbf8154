# No pre-training, and only cross entropy on the labelled clips.
method = dict(confusion_weight=0.0, infonce_weight=0.0)
stages = dict(warmup=False, pretrain=False)
