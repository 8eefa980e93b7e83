"""Reports on retargeting models; each prints its lines as it finds them."""
