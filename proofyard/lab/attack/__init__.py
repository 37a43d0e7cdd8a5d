"""How a rule is gamed: search a coalition's policy for the largest gain, judge it on fresh seeds, leave a file."""
