# Figure 3 with dynamic weights: InfoNCE-only pre-training, shared by all rows; the weight of the
# confusion loss in fine-tuning is set with @c=...
pretrain = dict(confusion_weight=0.0)
parameter = "c"
