# The method as the paper describes it.

