# AudiovisualMAE in its VGGSound configuration: masks, targets, one decoder for both modalities,
# fixed positions and four bottlenecks are those of the paper and of its released configuration.
method = dict(
    audio_masked=0.5,
    video_masked=0.9,
    pretrain_on="both",
    decoder_width=32,
    decoder_depth=2,
    decoder_heads=2,
    bottlenecks=4,
    fusion_layer=2,
)
# Pre-training has the epochs of DICCAE's warm-up and pre-training together. At the paper's scale
# the decoder is that of the released configuration for ViT-B, and fusion starts after two thirds of
# the layers (16 of the 24 of ViT-L).
scales = dict(
    embedded=dict(schedule=dict(pretrain=dict(epochs=24, batch_size=64))),
    vggsound=dict(
        method=dict(decoder_width=384, decoder_depth=4, decoder_heads=6, fusion_layer=8),
        schedule=dict(pretrain=dict(epochs=40, batch_size=64)),
    ),
)
