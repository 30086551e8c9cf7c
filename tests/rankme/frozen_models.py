"""Pretrained models of any modules, as `rankme.models.pretrained.load_encoder` gives them."""

from torch import Tensor, nn

from rankme.artefacts import weights_digest
from rankme.models.pretrained import PretrainedModel
from rankme.study.runs import RunSettings
from rankme.study.settings import Augmentation

NORMALISATION = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
AUGMENTATION = Augmentation(recipe="byol", crop_scale=(0.2, 1.0))


def model_of(
    encoder: nn.Module, projector: nn.Module | None = None, image_size: int = 8
) -> PretrainedModel:
    """A model that is, by its own account, frozen."""
    parts = nn.ModuleDict({"encoder": encoder, "projector": projector or nn.Identity()}).eval()
    return PretrainedModel(
        encoder=parts["encoder"],
        projector=parts["projector"],
        run=RunSettings.model_construct(augmentation=AUGMENTATION),
        image_size=image_size,
        normalisation=NORMALISATION,
        status="completed",
        digest=weights_digest(parts.state_dict()),
    )


class DriftingBatchNorm(nn.BatchNorm2d):
    """The classic mistake: running statistics that move in a frozen encoder."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.batch_norm(
            images, self.running_mean, self.running_var, training=True, momentum=0.1
        )
