"""The commands of `python -m annotations`, one file a subject: each adds its options and does its work."""
