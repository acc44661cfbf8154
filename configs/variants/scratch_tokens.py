# From scratch on tokens: the encoders of MBT, CAV-MAE, AudiovisualMAE and Perceiver IO.
inputs = "tokens"
method = dict(confusion_weight=0.0, infonce_weight=0.0)
stages = dict(warmup=False, pretrain=False)
