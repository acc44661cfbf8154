# Figure 3: InfoNCE-only pre-training, shared by all weights; one fixed confusion weight in
# fine-tuning, set with @w=...
pretrain = dict(confusion_weight=0.0)
finetune = dict(weighting="static")
parameter = "w"
