# Every choice that the paper leaves open, with its default, and the controls (docs/statistics.md).
# `configs/ambiguities.yaml` gives the words of the paper, the alternatives and the reason for each.
method = dict(
    # Eq. 1: the confusion loss over pairs
    similarity="sigmoid_cosine",
    similarity_scale=5.0,
    similarity_bias=-2.5,
    similarity_lr_mult=1.0,
    pairs="fused",
    pair_reduction="balanced",
    pretrain_batches="uniform",
    finetune_batches="p_x_k",
    # Sec. 2.1.2 and 2.1.3: update set, centroids, circles, degree of confusion
    update_set="train_holdout",
    update_redraw="fixed",
    centroid="mean",
    pca_dim=2,
    pca_scope="all",
    circle="quantile",
    coverage=0.95,
    normalize_features=True,
    # Eq. 3 and 4: weights
    normalization="literal",
    weight_range=2.0,
    diagonal_weight=1.0,
    weight_floor=0.0,
    unmeasured_weight="mean",
    smoothing=0.0,
    # static for one fixed weight; controls: flat_mean, shuffled, inverted, oracle
    weighting="dynamic",
    static_weight=1.0,
    # the total loss. Pairs are trained by the confusion loss, or, as an opponent of it, by the
    # supervised contrastive loss (supcon) with the temperature of its authors' code
    pair_loss="confusion",
    supcon_temperature=0.1,
    confusion_weight=1.0,
    infonce_weight=1.0,
    infonce_contrast="cross_modal",
    temperature=0.07,
    # Sec. 2.3: clusters
    kmeans_k=24,
    kmeans_restarts=20,
    kmeans_spherical=False,
    kmeans_init="random",
    refine_every=1,
    cluster_ids="kmeans",
    initial_features="warmup",
    reinit_head="unmatched",
    cluster_cross_entropy=False,
    # fine-tuning starts from the fusion of pre-training, or from a new one
    initial_fusion="pretrained",
    # permuted, a control: training and update clips have the labels of other clips
    finetune_labels="given",
    sources="all",
)
# what differs at a scale
scales = dict(
    vggsound=dict(method=dict(kmeans_k=300, refine_every=6)),
    frozen=dict(method=dict(kmeans_k=300, refine_every=6)),
    sounds=dict(method=dict(kmeans_k=20, refine_every=4)),
    sounds_frozen=dict(method=dict(kmeans_k=20, refine_every=4)),
)
