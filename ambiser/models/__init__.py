"""Networks, the prototype memory and the queue of keys."""
