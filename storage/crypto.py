"""Sealing, blinding and signing: what each does and in which form. `storage.keys` keeps their keys.

- `Keyring`: AES-256-GCM for tokens, message bodies and personal data (S3, S5).
- `Blinder`: keyed hashes, to look up a value that is stored sealed or not at all.
- `StateSealer`: RSA-4096 for the records of OAuth states (S4).
- `JwtKeys`: ES256 signing keys for the service's own tokens (S2).

Every unsealing failure is a `SealBroken` that says nothing about the data.
"""

import base64
import hmac
import json
import os
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, KeySet

_FORMAT: Final = 1  # of sealed values
_ID: Final = 4  # bytes of a key id; shown as eight hex digits
_NONCE: Final = 12
_TAG: Final = 16
_HEAD: Final = 1 + _ID


class SealBroken(Exception):
    """The value was not sealed by these keys, for this place, or was changed since."""


def field_aad(collection: str, record: str, field: str) -> str:
    """Associated data that ties a sealed value to its place, so that it cannot be moved to another."""
    # JSON and not a join: ("a", "b/c", "d") and ("a/b", "c", "d") must differ.
    if record.isascii() and record.isprintable() and '"' not in record and "\\" not in record:
        return f'["{collection}","{record}","{field}"]'  # the same, made faster: nothing is to be escaped
    return json.dumps([collection, record, field], separators=(",", ":"))


def sealed_under(value: bytes) -> str | None:
    """The id of the key that a value names as its own; None for what cannot be a sealed value."""
    if len(value) < _HEAD + _NONCE + _TAG or value[0] != _FORMAT:
        return None
    return value[1:_HEAD].hex()


class _Ring:
    """Keys by id, one of them active. Shows and pickles nothing.

    A rotation has two steps, so that nobody meets a key that he does not hold: first every process is given
    the new key (`staged`), then it becomes the active one.
    """

    def __init__(self, active: str, keys: Mapping[str, bytes]) -> None:
        if active not in keys:
            raise ValueError("the active key is not among the keys")
        self.active = active
        self._keys = dict(keys)
        self.look: Callable[[bool], None] = _no_look
        """Called before each use, to take over a changed key file; with True when a key is missing."""

    @property
    def ids(self) -> list[str]:
        """Key ids, oldest first."""
        return list(self._keys)

    @property
    def staged(self) -> bool:
        """Whether the newest key is held and not used yet."""
        return self.ids[-1] != self.active

    def promoted(self) -> Self:
        """A ring that seals or signs with the newest key."""
        return type(self)(self.ids[-1], self._keys)

    def without(self, id_: str) -> Self:
        """A ring that does not hold the key; ValueError for the active one."""
        return type(self)(self.active, {i: k for i, k in self._keys.items() if i != id_})

    def adopt(self, other: Self) -> None:
        """Become `other`, for everybody who holds this ring. One step, also as other threads see it."""
        vars(self).update(vars(other) | {"look": self.look})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(active={self.active}, keys={len(self._keys)})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("keys are not pickled: every process loads the key file")

    def _plus(self, key: bytes) -> Self:
        """A ring that also holds `key`, as its newest, and goes on with the active one."""
        new = secrets.token_hex(_ID)
        while new in self._keys:
            new = secrets.token_hex(_ID)
        return type(self)(self.active, {**self._keys, new: key})

    def dump(self) -> dict[str, Any]:
        return {"active": self.active, "keys": {i: _b64(k) for i, k in self._keys.items()}}

    @classmethod
    def read(cls, part: Mapping[str, Any]) -> Self:
        keys = {i: base64.b64decode(k, validate=True) for i, k in part["keys"].items()}
        if any(len(bytes.fromhex(i)) != _ID for i in keys):
            raise ValueError("a key id is not eight hex digits")
        return cls(part["active"], keys)


class Keyring(_Ring):
    """AES-256-GCM under the active key; older keys still open what they sealed.

    A sealed value is version (1 byte), key id (4), nonce (12), ciphertext and tag (16): 33 bytes longer
    than the plain one. The first five bytes are authenticated too. Nonces are random, which is good for
    2**32 values a key at a collision chance of 2**-33: rotate before that.
    """

    def __init__(self, active: str, keys: Mapping[str, bytes]) -> None:
        super().__init__(active, keys)
        self._ciphers = {bytes.fromhex(i): AESGCM(k) for i, k in keys.items()}
        # One attribute: a thread that seals while another adopts a ring sees both parts of the same key.
        self._sealing = (bytes([_FORMAT]) + bytes.fromhex(active), self._ciphers[bytes.fromhex(active)])

    @classmethod
    def generate(cls) -> Self:
        first = secrets.token_hex(_ID)
        return cls(first, {first: AESGCM.generate_key(256)})

    def stage(self) -> Self:
        """A keyring with a fresh key that opens and does not seal yet."""
        return self._plus(AESGCM.generate_key(256))

    def seal(self, plain: bytes, aad: str) -> bytes:
        self.look(False)
        head, cipher = self._sealing
        nonce = os.urandom(_NONCE)
        return head + nonce + cipher.encrypt(nonce, plain, head + aad.encode())

    def open(self, sealed: bytes, aad: str) -> bytes:
        """Inverse of `seal` with the same `aad`; SealBroken for anything else."""
        if sealed_under(sealed) is None:
            raise SealBroken("This is not a sealed value, or it was cut short.")
        self.look(sealed[1:_HEAD] not in self._ciphers)
        cipher = self._ciphers.get(sealed[1:_HEAD])
        if cipher is None:
            raise SealBroken(
                f"The value was sealed under key {sealed[1:_HEAD].hex()}, which this key file does not hold."
            )
        nonce, body = sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        try:
            return cipher.decrypt(nonce, body, sealed[:_HEAD] + aad.encode())
        except InvalidTag:
            raise SealBroken("The sealed value was changed, or belongs to another place.") from None


class Blinder:
    """Keyed hashes for look-ups: equal values give equal hashes, and without the key nobody can try values.

    The key is never rotated: the hashes are in the database and the values behind them are not.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def blind(self, value: str, purpose: str) -> str:
        """HMAC-SHA256 as 43 base64url characters. `purpose` keeps equal values of different fields apart;
        normalising (such as an e-mail's case) is the caller's."""
        message = purpose.encode() + b"\0" + value.encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, message, "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def __repr__(self) -> str:
        return "Blinder(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("keys are not pickled: every process loads the key file")


_OAEP: Final = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
_RSA_BITS: Final = 4096


@lru_cache(maxsize=8)  # loading one checks it, for a quarter of a second in which a process stands still
def _state_key(der: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_der_private_key(der, password=None)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != _RSA_BITS:
        raise ValueError(f"a state key is not RSA-{_RSA_BITS}")
    return key


class StateSealer(_Ring):
    """Seals OAuth state records: a fresh AES-256-GCM key per record, wrapped with RSA-4096 OAEP-SHA256.

    Layout: version (1 byte), key id (4), wrapped key (512), nonce (12), ciphertext and tag. Sealing takes
    tens of microseconds, opening a few milliseconds.
    """

    def __init__(self, active: str, keys: Mapping[str, bytes]) -> None:
        super().__init__(active, keys)
        self._private: dict[bytes, rsa.RSAPrivateKey] = {}
        for id_, der in keys.items():
            self._private[bytes.fromhex(id_)] = _state_key(der)
        public = self._private[bytes.fromhex(active)].public_key()
        self._sealing = (bytes([_FORMAT]) + bytes.fromhex(active), public)

    @classmethod
    def generate(cls) -> Self:
        """Takes seconds: RSA-4096."""
        first = secrets.token_hex(_ID)
        return cls(first, {first: cls._new_key()})

    def stage(self) -> Self:
        """A ring with a fresh key that opens and does not seal yet. Takes seconds: RSA-4096."""
        return self._plus(self._new_key())

    def seal(self, plain: bytes, aad: str) -> bytes:
        self.look(False)
        named, public = self._sealing
        once = AESGCM.generate_key(256)
        head = named + public.encrypt(once, _OAEP)
        nonce = os.urandom(_NONCE)
        return head + nonce + AESGCM(once).encrypt(nonce, plain, head + aad.encode())

    def open(self, sealed: bytes, aad: str) -> bytes:
        """Inverse of `seal` with the same `aad`; SealBroken for anything else."""
        end = _HEAD + _RSA_BITS // 8
        if len(sealed) < end + _NONCE + _TAG or sealed[0] != _FORMAT:
            raise SealBroken("This is not a sealed state, or it was cut short.")
        self.look(sealed[1:_HEAD] not in self._private)
        private = self._private.get(sealed[1:_HEAD])
        if private is None:
            raise SealBroken(
                f"The state was sealed under key {sealed[1:_HEAD].hex()}, which is not held here."
            )
        try:
            once = private.decrypt(sealed[_HEAD:end], _OAEP)
            nonce, body = sealed[end : end + _NONCE], sealed[end + _NONCE :]
            return AESGCM(once).decrypt(nonce, body, sealed[:end] + aad.encode())
        except (InvalidTag, ValueError):
            raise SealBroken("The sealed state was changed, or belongs to another place.") from None

    @staticmethod
    def _new_key() -> bytes:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class JwtKeys(_Ring):
    """Signs with the active ES256 key and verifies with any held; the key id is in the token's header."""

    def __init__(self, active: str, keys: Mapping[str, bytes]) -> None:
        super().__init__(active, keys)
        self._set = KeySet(
            [ECKey.import_key(pem, {"kid": i, "use": "sig", "alg": "ES256"}) for i, pem in keys.items()]
        )

    @classmethod
    def generate(cls) -> Self:
        first = secrets.token_hex(_ID)
        return cls(first, {first: ECKey.generate_key("P-256").as_pem(private=True)})

    def stage(self) -> Self:
        """A ring with a fresh key that is published, and signs nothing yet."""
        return self._plus(ECKey.generate_key("P-256").as_pem(private=True))

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWT. Times in claims are the caller's: integer seconds."""
        self.look(False)
        header = {"alg": "ES256", "kid": self.active}
        return jwt.encode(header, dict(claims), self._set, algorithms=["ES256"])

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token one of these keys signed; SealBroken for anything else.

        Only the signature is judged here: issuer, audience, expiry and revocation are the caller's.
        """
        try:
            try:
                self.look(False)
                decoded = jwt.decode(token, self._set, algorithms=["ES256"])
            except InvalidKeyIdError:
                self.look(True)
                decoded = jwt.decode(token, self._set, algorithms=["ES256"])
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise SealBroken("The token was not signed by this service.") from None
        if decoded.header.get("kid") not in self._keys or not isinstance(decoded.claims, dict):
            raise SealBroken("The token names no key of this service.")
        return decoded.claims

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517), for `/.well-known/jwks.json`."""
        self.look(False)
        return dict(self._set.as_dict(private=False))


def _no_look(missing: bool) -> None:
    """Keys that are in no file change with their process only."""


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
