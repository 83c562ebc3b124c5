"""Values that every step shares: movies, components, curations and figures of them."""
