"""Where and in which precision to compute, and how memory is allocated."""
