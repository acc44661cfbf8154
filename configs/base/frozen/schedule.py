# Batches are larger and epochs fewer than at the paper's scale: the adapters have two million
# weights, and their encoders are trained already. With batches of 256 a batch of P x K has 64
# classes.
schedule = dict(
    warmup=dict(epochs=2, batch_size=256, lr=1e-3, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=9, batch_size=256, lr=1e-3, weight_decay=0.0, steps=None),
    finetune=dict(epochs=10, batch_size=256, lr=1e-3, weight_decay=0.0, steps=None),
    eval_batch_size=1024,
    views=10,
    num_workers=0,
    precision="float32",
    compile=False,
    base_batch_size=None,
)
