"""Records that broke a rule: kept whole, with every reason, until someone decides on them."""
