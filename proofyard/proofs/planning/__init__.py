"""What `proofyard plan` computes: how to cut a job, which card does what, how long it takes, what it costs."""
