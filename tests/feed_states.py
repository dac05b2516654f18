"""What is in a feed's database, for tests that compare states."""


def state_of(database):
    """Returns all that an export holds, as {table: list of rows}."""
    return {name: table.to_pylist() for name, table in database.tables().items()}
