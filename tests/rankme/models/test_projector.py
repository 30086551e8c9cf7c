import pytest
import torch
from torch import nn

from rankme.models import Projector
from tests.rankme.metrics.oracles import effective_rank


def test_the_papers_projector_has_its_layers():
    with torch.device("meta"):
        projector = Projector(2048, [8192, 8192, 2048])
    kinds = [type(layer) for layer in projector]
    assert kinds == [*[nn.Linear, nn.BatchNorm1d, nn.ReLU] * 2, nn.Linear]
    shapes = [tuple(layer.weight.shape) for layer in projector if isinstance(layer, nn.Linear)]
    assert shapes == [(8192, 2048), (8192, 8192), (2048, 8192)]
    assert projector.dimension == 2048


@pytest.mark.parametrize("widths", [[5], [7, 5], [7, 6, 5]])
def test_the_projector_equals_its_formula(widths):
    torch.manual_seed(0)
    projector = Projector(4, widths).double()
    representations = torch.randn(10, 4, dtype=torch.float64)
    matrices = [parameter for parameter in projector.parameters() if parameter.ndim == 2]
    expected = representations
    for matrix in matrices[:-1]:
        hidden = expected @ matrix.T
        variance = hidden.var(dim=0, unbiased=False)
        expected = ((hidden - hidden.mean(dim=0)) / (variance + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(projector(representations), expected @ matrices[-1].T)


def test_under_autocast_embeddings_keep_their_rank():
    """Rounded to bfloat16 they would have a fifth more: the rounding has full rank."""
    torch.manual_seed(0)
    projector = Projector(32, [64, 512])
    with torch.no_grad():
        projector[-1].weight.copy_(torch.randn(512, 4) @ torch.randn(4, 64))
        embeddings = projector(representations := torch.randn(256, 32))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            reduced = projector(representations)
    assert reduced.dtype == torch.float32
    rank = effective_rank(embeddings.numpy())
    assert effective_rank(reduced.numpy()) == pytest.approx(rank, rel=0.01)
    assert effective_rank(embeddings.bfloat16().float().numpy()) > 1.1 * rank
