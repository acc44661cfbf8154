# Written from the abstract of AVCL alone: every choice is our interpretation.
# `configs/ambiguities.yaml` gives the abstract's words, the alternatives and the reason for each
# default.
method = dict(
    # AMFM: fusion of the modalities
    amfm="attention",
    # CGRA: alignment of the modalities
    cgra_weight=1.0,
    cgra_level="locations",
    cgra_finetune=True,
    # SelfCL: contrast of two views in pre-training
    selfcl_weight=1.0,
    selfcl_head="none",
    temperature=0.07,
)
# As many epochs as DICCAE's warm-up and pre-training together.
scales = dict(
    embedded=dict(schedule=dict(pretrain=dict(epochs=24))),
    vggsound=dict(schedule=dict(pretrain=dict(epochs=40))),
)
