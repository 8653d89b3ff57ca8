"""What the tests ask PostgreSQL themselves, past the program under test."""

from contextlib import contextmanager

import psycopg
from psycopg.rows import dict_row


class Sql:
    """Each question has a connection of its own, so that a database that was gone for a while is no trouble."""

    def __init__(self, connection_string):
        self.connection_string = connection_string

    def rows(self, question, parameters=None):
        """Each row as a dict."""
        with psycopg.connect(self.connection_string, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(question, parameters).fetchall()

    def value(self, question, parameters=None):
        """The first column of the only row."""
        (row,) = self.rows(question, parameters)
        return next(iter(row.values()))

    def run(self, statement, parameters=None):
        with psycopg.connect(self.connection_string, autocommit=True) as connection:
            connection.execute(statement, parameters)

    @contextmanager
    def locked(self, table):
        """Nobody else writes to the table in the meantime."""
        with psycopg.connect(self.connection_string) as connection:
            connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield
