"""FlowNet-C: a network that sees how far each place of one image has moved in another.

Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", ICCV 2015, section 3: both images pass
the same three convolutions, a correlation layer compares their features within a neighbourhood, the rest contracts
further and a refinement part brings flows back to a quarter of the image's resolution. Paper imperfect, section 3.3,
uses variant C. `width` scales all channels; 1 is the published network. Beyond it, images and the features that are
compared are evened: each channel without its mean, over its spread.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1  # of the rectifiers below 0
FINEST = 4  # px of the image per px of the finest flow
SCALES = 5  # flows at 1/4, 1/8, 1/16, 1/32 and 1/64 of the image


def correlation(first: Tensor, second: Tensor, reach: int, step: int) -> Tensor:
    """Mean product of features of `first` with those of `second` up to `reach` pixels away, every `step` pixels.

    Both are `(B, C, Y, X)`, the result is `(B, (2 reach / step + 1)², Y, X)`, displacements in rows y, then x
    (FlowNet, equation 1, patches of one pixel). Beyond the edge features are 0. Each row of one image is multiplied
    with whole rows of the other; of every product the band around its diagonal is kept.
    """
    batch, channels, height, width = first.shape
    rows = (first.float() / channels).permute(0, 2, 3, 1).contiguous()  #      (B, Y, X, C)
    padded = F.pad(second.float(), (reach,) * 4).permute(0, 2, 1, 3).contiguous()  # (B, Y + 2r, C, X + 2r)
    places, wide = 2 * reach // step + 1, width + 2 * reach
    out = []
    with torch.autocast(first.device.type, enabled=False):
        for y in range(0, 2 * reach + 1, step):
            products = torch.matmul(rows, padded[:, y : y + height])  # (B, Y, X, X + 2r)
            size = (batch, height, width, places)
            out.append(products.as_strided(size, (height * width * wide, width * wide, wide + 1, step)))
    return torch.cat(out, dim=3).permute(0, 3, 1, 2)


class FlowNetC(nn.Module):
    """Flows of pairs `(B, 2, Y, X)`, finest first, in pixels of the image; Y and X must be multiples of 64."""

    stride = 64

    def __init__(self, width: float = 1.0, reach: int = 20, step: int = 2) -> None:
        super().__init__()
        self.reach, self.step = reach, step

        def wide(channels: int) -> int:
            return max(8, round(channels * width / 8) * 8)

        w = [wide(c) for c in (64, 128, 256, 512, 512, 1024)]
        redirected, displacements = wide(32), (2 * reach // step + 1) ** 2
        self.conv1 = _convolution(1, w[0], 7, 2)
        self.conv2 = _convolution(w[0], w[1], 5, 2)
        self.conv3 = _convolution(w[1], w[2], 5, 2)
        self.redirect = _convolution(w[2], redirected, 1)
        self.conv3b = _convolution(displacements + redirected, w[2])
        self.conv4 = nn.Sequential(_convolution(w[2], w[3], 3, 2), _convolution(w[3], w[3]))
        self.conv5 = nn.Sequential(_convolution(w[3], w[4], 3, 2), _convolution(w[4], w[4]))
        self.conv6 = nn.Sequential(_convolution(w[4], w[5], 3, 2), _convolution(w[5], w[5]))
        skips = (w[4], w[3], w[2], w[1])  #     1/32, 1/16, 1/8, 1/4
        ups = tuple(wide(c) for c in (512, 256, 128, 64))
        inputs = (w[5], *(s + u + 2 for s, u in zip(skips, ups, strict=True)))
        self.flows = nn.ModuleList(nn.Conv2d(c, 2, 3, padding=1) for c in inputs)
        self.ups = nn.ModuleList(_enlarging(c, u) for c, u in zip(inputs, ups, strict=False))
        for layer in self.flows:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]  # no motion to begin with
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, pair: Tensor) -> list[Tensor]:
        """Flows from the first to the second image, `(B, 2, Y / s, X / s)` with (y, x) in px, for s = 4 … 64."""
        even = _even(pair.float())
        both = torch.cat([even[:, :1], even[:, 1:]])
        quarter = self.conv2(self.conv1(both))  #            (2B, w2, Y/4, X/4)
        eighth = self.conv3(quarter)  #                      (2B, w3, Y/8, X/8)
        a, b = eighth.chunk(2)
        matched = F.leaky_relu(correlation(_even(a.float()), _even(b.float()), self.reach, self.step), SLOPE)
        x = self.conv3b(torch.cat([self.redirect(a), matched], dim=1))
        skips = [quarter.chunk(2)[0], x]
        for contract in (self.conv4, self.conv5):
            skips.append(contract(skips[-1]))  #             1/16, 1/32
        x = self.conv6(skips[-1])  #                         (B, w6, Y/64, X/64)
        out: list[Tensor] = []
        for k, predict in enumerate(self.flows):
            flow = predict(x)
            out.insert(0, flow * PIXELS)
            if k < len(self.ups):
                larger = F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=False)
                x = torch.cat([skips.pop(), self.ups[k](x), larger], dim=1)
        return out


PIXELS = 5.0  # px of flow per unit of the network's output, so that outputs are of the order of 1


def _even(maps: Tensor) -> Tensor:
    """Every channel of every image without its mean, over its spread.

    Without this the products of features at the start are a hundredth of all else that is said of a place, and nearly
    the same for all displacements: a network that compares plain features stays at no motion.
    """
    mean, spread = maps.mean(dim=(2, 3), keepdim=True), maps.std(dim=(2, 3), keepdim=True)
    return (maps - mean) / (spread + 1e-3)


def _convolution(before: int, after: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, side, stride, side // 2), nn.LeakyReLU(SLOPE, inplace=True))


def _enlarging(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True))
