"""Losses and the updates that are not gradients, as plain functions."""
