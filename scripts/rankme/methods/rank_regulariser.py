"""RankMe as a training signal: a penalty on embeddings whose effective rank is off a target.

The question that the RankMe paper leaves open: does raising the rank raise the accuracy?
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rankme.methods.gather import gather

SMOOTHING = 1e-14
"""Share of the squared norm that is added to each squared singular value, in float64. It keeps the
gradient finite where one is zero, and moves ranks no more than RankMe's own epsilon of 1e-7."""


def log_effective_rank(z: Tensor) -> Tensor:
    """Logarithm of the effective rank of embeddings (Roy & Vetterli 2007; RankMe), differentiable.

    The entropy of the singular values, as shares of their sum. They come from the eigenvalues of
    the smaller Gram matrix, in float64: gradients of eigenvalues, unlike those of eigenvectors, are
    finite also where two are equal. On a GPU this waits for the device.

    Args:
        z: (N, K), neither centred nor normalised.

    Returns:
        A float64 scalar from 0 to ln min(N, K), NaN where the Gram matrix is not finite; on MPS,
        which has no float64, it is on the CPU.
    """
    z = (z.cpu() if z.device.type == "mps" else z).double()
    gram = z @ z.T if len(z) < z.shape[1] else z.T @ z
    finite = gram.isfinite().all()
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    # LAPACK and cuSOLVER raise an error of their own at what is not finite.
    squares = torch.linalg.eigvalsh(torch.where(finite, gram, identity)).clamp_min(0)
    smooth = squares + SMOOTHING * squares.sum() + torch.finfo(squares.dtype).tiny
    sigma = smooth.sqrt()
    shares = sigma / sigma.sum()
    return torch.where(finite, -(shares * shares.log()).sum(), math.nan)


def rank_penalty(embeddings: Sequence[Tensor], target: float) -> Tensor:
    """Squared logarithm of effective rank over target, a mean over views; zero at the target.

    A ratio is the same at every scale of embeddings and at every rank: half the target costs what
    twice the target does.

    Args:
        embeddings: (n, K) of each view, this process's slice of the batch.
        target: effective rank to pull to, from 1 to the smaller side of the whole batch (N, K).

    Returns:
        A float64 scalar, of the whole batch.
    """
    logarithms = torch.stack([log_effective_rank(gather(z)) for z in embeddings])
    return (logarithms - math.log(target)).square().mean()
