"""An authority of a test's own, and the certificates that it gives to servers. `cryptography` comes with confluent-kafka's
clients of the registry."""

import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """`file` is what clients trust; `certificate` and `key` are a server's, which `issue` replaces."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.file = folder / "ca.pem"
        self.certificate = folder / "front.pem"
        self.key = folder / "front.key"
        self._key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._certificate = (
            self._begin("a test's authority", self._key, -DAY, 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _begin(self, subject, key, begins_in, ends_in):
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name("a test's authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins_in)
            .not_valid_after(now + ends_in)
        )

    def made(self, ends_in=DAY):
        """A certificate for this machine, and its key, both as PEM; and its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            self._begin("front", key, -30 * DAY, ends_in)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM), pem, certificate.serial_number

    def issue(self, ends_in=DAY):
        """Puts a new pair into its place, as tools do that renew certificates; its serial number."""
        certificate, key, serial = self.made(ends_in)
        for path, content in ((self.certificate, certificate), (self.key, key)):
            new = path.with_suffix(".new")
            new.write_bytes(content)
            new.rename(path)
        return serial

    def settings(self):
        return {"tls_certificate": self.certificate, "tls_key": self.key, "ca": self.file}


# Nobody's certificate is taken. For httpx where it speaks no TLS: by itself it reads all authorities of the machine for each
# client, and httpx.get makes one a request. That is 20 ms of a processor, and more than all else of a question.
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def trusting(file):
    """What a client needs to trust it."""
    return ssl.create_default_context(cafile=file)
