"""The steps, one file each; they are never changed once they were released."""
