"""Convolutions by F(4, 4) along rows, of which the choice makes use."""

from cases import Conv2dCase

#: Windows of one row that the choice gives to F(4, 4) wherever vectors have 32 bytes: blocks of
#: rows that start in one image and end in the next or none, picked columns, phases of columns,
#: chunks of taps that are not whole, channels left over, rows shorter than a vector. Then windows
#: of several rows: blocks side by side, phases of a dilation, rows read by three vectors, no pads.
FLAT = [
    Conv2dCase((16, 32, 28, 56), 32, (1, 7), (2, 2), dilation=(2, 2)),
    Conv2dCase((5, 64, 27, 60), 64, (1, 7), (1, 2), dilation=(2, 2), groups=2),
    Conv2dCase((4, 36, 19, 100), 40, (1, 8), padding=(0, 0, 3, 3), bias=False),
    Conv2dCase((2, 64, 35, 55), 65, (1, 8), padding=(0, 0, 4, 2)),
    Conv2dCase((4, 64, 29, 57), 72, (1, 7), (3, 2), (0, 0, 6, 6)),
    Conv2dCase((2, 48, 37, 28), 48, (5, 7), padding=(2, 2, 3, 3)),
    Conv2dCase((1, 64, 58, 55), 64, (7, 7), (1, 1), (6, 6, 6, 6), (2, 2), groups=2),
    Conv2dCase((1, 32, 47, 60), 40, (11, 7), padding=(5, 5, 3, 3), bias=False),
    Conv2dCase((2, 40, 50, 67), 40, (3, 8)),
]
