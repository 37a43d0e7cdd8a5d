"""The compiled engine: loops that know no rule, and rules bound to them."""
