"""Where a logit comes from: a linear head on pooled maps, laid back over the places of the maps."""

from collections.abc import Sequence

import torch
from torch.nn.functional import conv2d

from partgate.inference.heat import HEAT_BIAS


def heat_names(depths: int) -> tuple[str, ...]:
    """Return the names of the outputs that carry heat: one map per depth, then what lies at no place.

    Example:
        >>> heat_names(2)
        ('heat_0', 'heat_1', 'heat_bias')
    """
    return (*(f"heat_{depth}" for depth in range(depths)), HEAT_BIAS)


def lay_out_logits(
    maps: Sequence[torch.Tensor], weight: torch.Tensor, mean: torch.Tensor, std: torch.Tensor
) -> list[torch.Tensor]:
    """Return what each place of each map gives to each class; summed up, the logits without their bias.

    What a channel gives by its mean is shared by all places as their values are; what it gives by its maximum stands
    where the maximum is, in equal shares where several places tie. A place that looks like the mean picture of training
    gives nothing.

    Args:
        maps: Of each depth, shape (N, channels, h, w).
        weight: Of the head on standardised features, mean and maximum of each depth in turn, shape (C, D).
        mean: Of the features in training, shape (D,).
        std: Of the features in training, shape (D,); above 0.

    Returns:
        One tensor per depth, shape (N, C, h, w), log-odds. A NaN in a map makes all places of that depth NaN.

    Source:
        Zhou et al. (2016), "Learning deep features for discriminative localization" (class activation map); the share
        of the maximum and of several depths: own.

    Example:
        >>> maps = [torch.tensor([[[[1.0, 3.0]]]])]  # mean 2, maximum 3
        >>> weight = torch.tensor([[10.0, 100.0]])
        >>> lay_out_logits(maps, weight, torch.tensor([1.0, 1.0]), torch.ones(2))[0].tolist()  # 10 * 1 + 100 * 2
        [[[[0.0, 210.0]]]]
    """
    heat, begin = [], 0
    for one in maps:
        middle, end = begin + one.shape[1], begin + 2 * one.shape[1]
        by_mean, by_max = (_standard(mean, std, part) for part in (slice(begin, middle), slice(middle, end)))
        peak = one.amax((2, 3), keepdim=True)
        is_peak = (one == peak).to(one.dtype)
        shared = (one - by_mean[0]) / (by_mean[1] * (one.shape[2] * one.shape[3]))
        standing = is_peak * ((peak - by_max[0]) / (by_max[1] * is_peak.sum((2, 3), keepdim=True)))
        rows = weight[:, :, None, None]
        heat.append(conv2d(shared, rows[:, begin:middle]) + conv2d(standing, rows[:, middle:end]))
        begin = end
    return heat


def _standard(mean: torch.Tensor, std: torch.Tensor, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    return mean[part].view(1, -1, 1, 1), std[part].view(1, -1, 1, 1)


def mean_over_views(heat: torch.Tensor, views: Sequence[tuple[int, ...]]) -> torch.Tensor:
    """Return the mean of the heat of mirrored views, each turned back, shape (N, C, h, w).

    Args:
        heat: Shape (views x N, C, h, w), the views one after the other.
        views: Axes of (N, H, W, 3) that each view mirrors.

    Example:
        >>> heat = torch.tensor([[[[1.0, 3.0]]], [[[5.0, 7.0]]]])  # plain, mirrored
        >>> mean_over_views(heat, [(), (2,)]).tolist()
        [[[[4.0, 4.0]]]]
    """
    parts = heat.chunk(len(views))
    back = [one.flip([axis + 1 for axis in axes]) if axes else one for one, axes in zip(parts, views, strict=True)]
    return torch.stack(back).mean(0) if len(back) > 1 else back[0]
