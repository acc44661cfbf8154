# No pre-training and neither of the two extra losses: cross entropy on the labelled clips alone.
method = dict(confusion_weight=0.0, infonce_weight=0.0)
stages = dict(warmup=False, pretrain=False)
