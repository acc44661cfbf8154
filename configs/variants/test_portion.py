# As stated in the paper: the update set of fine-tuning is a portion of the test set.
method = dict(update_set="test_portion")
