# The network of fine-tuning without pre-training.
system = "av_mae"
stages = dict(pretrain=False)
