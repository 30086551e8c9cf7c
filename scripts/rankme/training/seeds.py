"""Every random choice of a run as a function of the run's seed and the place it is made at."""

import hashlib


def derive_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed that is unrelated to those of all other seeds, purposes and indices.

    Sums such as `seed + step` would make step 1 of run 0 repeat step 0 of run 1.
    """
    key = f"{purpose}/{seed}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) >> 1
