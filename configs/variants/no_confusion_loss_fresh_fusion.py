# w/o L_CL, with a new fusion MLP in fine-tuning, to compare with fresh_fusion.
method = dict(confusion_weight=0.0, initial_fusion="fresh")
