# One PCA per class instead of one for the update set.
method = dict(pca_scope="class")
