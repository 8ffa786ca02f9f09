"""What an embedder does after ``fit``: features of any stage of its network."""
