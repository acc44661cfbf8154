# The network of CAV-MAE without pre-training.
system = "cav_mae"
stages = dict(pretrain=False)
