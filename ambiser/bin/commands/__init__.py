"""The sub-commands of `ambiser`; each module is imported only when it is called."""
