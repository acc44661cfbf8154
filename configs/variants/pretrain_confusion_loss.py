# L_CL in pre-training alone. With full (both stages), no_kmeans (fine-tuning alone) and
# no_confusion_loss (neither) it completes the 2 x 2 table.
finetune = dict(confusion_weight=0.0)
