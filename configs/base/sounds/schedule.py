# Rate of fine-tuning: that of the plan kitchen20-tuning, chosen with the model from scratch on
# validation recordings of a tuning rotation, before any other variant of the plan kitchen20 was
# run; see results/reference/kitchen20-tuning/tuning.csv. The epochs of fine-tuning were not tuned:
# they are those of the scale embedded and of the plan kitchen20-frozen-tuning. Nor were warm-up and
# pre-training: they have the same rate, and equal epochs as at the scale embedded. Clips are
# clustered again after every fourth epoch, five times in all (method.refine_every).
schedule = dict(
    warmup=dict(epochs=24, batch_size=64, lr=1e-3, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=24, batch_size=64, lr=1e-3, weight_decay=0.0, steps=None),
    finetune=dict(epochs=30, batch_size=32, lr=1e-3, weight_decay=0.0, steps=None),
    eval_batch_size=128,
    views=1,
    num_workers=0,
    precision="float32",
    compile=False,
    stream=0,  # another number: other initial weights, orders and augmentations
    base_batch_size=None,
)
