"""The context network: a masked convolutional network that reads the grid from the top down (Hénaff et al. 2020)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ContextBlock(nn.Module):
    """One residual block: row i sees rows i - 1 and i, and the neighbours to the left and right of each cell."""

    def __init__(self, maps: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(maps, width, 1)
        self.sideways = nn.Conv2d(width, width, (1, 3), padding=(0, 1))
        self.down = nn.Conv2d(width, width, (2, 1))
        self.expand = nn.Conv2d(width, maps, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D, H, W] -> the same."""
        h = self.sideways(F.relu(self.reduce(x)))
        h = self.down(F.pad(h, (0, 0, 1, 0)))  # a row of zeros on top, so that no row sees the one below it
        return x + self.expand(F.relu(h))


class PixelCNN(nn.Module):
    """g_ar: z [B, H, W, D] -> c [B, H, W, D]; with n blocks c of row i has seen z of rows i - n .. i, all columns."""

    def __init__(self, maps: int, width: int = 256, blocks: int = 5) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ContextBlock(maps, width) for _ in range(blocks)))

    def forward(self, z: Tensor) -> Tensor:
        """Contexts of all cells."""
        c: Tensor = F.relu(self.blocks(z.permute(0, 3, 1, 2)))  # [B, D, H, W]
        return c.permute(0, 2, 3, 1)
