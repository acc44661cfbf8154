# Learning rates: those of plan tuning, chosen on validation clips of tuning seeds, see
# results/reference/tuning/tuning.csv. They are the rates of an InfoNCE-only model, since every row
# of Table 2 is fine-tuned after pre-training.
#
# Warm-up and pre-training have equal epochs, so that one InfoNCE training serves as the warm-up of
# all variants and as the pre-training of those without clusters, and every fine-tuning starts from
# weights of as many epochs. Clips are clustered again after every epoch (refine_every 1): by the
# cosine decay, 12 is the smallest number of epochs that has six clusterings at half of the peak
# rate or more.
schedule = dict(
    warmup=dict(epochs=12, batch_size=64, lr=4e-3, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=12, batch_size=64, lr=4e-3, weight_decay=0.0, steps=None),
    finetune=dict(epochs=30, batch_size=32, lr=2.5e-4, weight_decay=0.0, steps=None),
    eval_batch_size=128,
    views=2,
    num_workers=0,
    precision="float32",
    compile=False,
    stream=0,  # another number: other initial weights, orders and augmentations
    base_batch_size=None,
)
