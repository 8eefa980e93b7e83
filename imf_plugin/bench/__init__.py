"""Quality and speed of the models, against known frames and against peers, in one run."""
