"""A small encoder taught by a large one: teacher vectors, losses, trainer."""
