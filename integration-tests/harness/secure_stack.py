"""Kafka and PostgreSQL that let nobody in without TLS and a password."""

from .ports import free_port
from .stack import Stack

PREFIX = "daybook"  # of the topics that the brokers' users may use


class SecureStack(Stack):
    """Users of Kafka are those of deploy/local/kafka/access.txt, logins of PostgreSQL those of deploy/local/postgres.sh."""

    def __init__(self):
        super().__init__()
        self.kafka_port = free_port(neighbours=3)
        self.tls = self.directory / "tls"
        self.environment |= {
            "DAYBOOK_LOCAL_KAFKA_SECURE": "1",
            "DAYBOOK_LOCAL_KAFKA_PREFIX": PREFIX,
            "DAYBOOK_LOCAL_POSTGRES_SECURE": "1",
            "DAYBOOK_LOCAL_TLS": str(self.tls),
        }

    @property
    def ca(self):
        return self.tls / "ca.pem"

    @property
    def passwords(self):
        """Of PostgreSQL's logins, for libpq."""
        return self.directory / "pgpass"

    def _password_file(self, user):
        return self.directory / "kafka" / "users" / user

    def kafka_password(self, user):
        return self._password_file(user).read_text().strip()

    def kafka_as(self, user):
        """The settings of Daybook with which a process speaks to the brokers as that user."""
        return {
            "kafka_security": "sasl_ssl",
            "kafka_ca_file": self.ca,
            "kafka_username": user,
            "kafka_password": f"file:{self._password_file(user)}",
        }

    def client_settings(self, user="admin"):
        """With SCRAM, as these clients' librdkafka is newer than Debian's."""
        return {
            "security.protocol": "sasl_ssl",
            "ssl.ca.location": str(self.ca),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": self.kafka_password(user),
        }

    def set_kafka_password(self, user, password):
        """At the broker alone, which reads them when it starts."""
        self.stop_kafka()
        self._password_file(user).write_text(f"{password}\n")
        self.start_kafka()

    def postgres(self, database="daybook", port=None, user="daybook", ca=None, passwords=None):
        return (
            f"host=127.0.0.1 port={port or self.postgres_port} user={user} dbname={database} sslmode=verify-full"
            f" sslrootcert={ca or self.ca} passfile={passwords or self.passwords}"
        )
