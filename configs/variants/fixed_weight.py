# Figure 3: shared InfoNCE-only pre-training, one fixed confusion weight in fine-tuning (set it with @w=...).
pretrain = dict(confusion_weight=0.0)
finetune = dict(weighting="static")
