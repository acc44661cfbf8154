# Control: the labels of the training and update clips are permuted; accuracy must be at chance.
finetune = dict(finetune_labels="permuted")
