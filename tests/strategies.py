"""Hypothesis strategies for random problems."""

from cases import Conv2dCase, PoolCase
from hypothesis import strategies as st

steps = st.integers(1, 3)
sides = st.integers(0, 3)


@st.composite
def images(draw, kernel, padding, dilation, largest):
    """Height and width of an image that the kernel fits once it is padded."""
    size = []
    for i in (0, 1):
        covered = dilation[i] * (kernel[i] - 1) + 1
        least = max(covered - padding[2 * i] - padding[2 * i + 1], 1)
        size.append(draw(st.integers(least, max(largest, least))))
    return size


@st.composite
def conv2d_cases(draw, largest_image=20):
    """Convolutions whose kernel fits the padded image, with all arguments independent."""
    groups = draw(st.integers(1, 4))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(sides, sides, sides, sides))
    dilation = draw(st.tuples(steps, steps))
    size = draw(images(kernel, padding, dilation, largest_image))
    return Conv2dCase(
        (
            draw(st.integers(0, 3) | st.sampled_from((8, 15, 17))),
            groups * draw(st.integers(1, 5)),
            *size,
        ),
        groups * draw(st.integers(1, 6)),
        kernel,
        draw(st.tuples(steps, steps)),
        padding,
        dilation,
        groups,
        draw(st.booleans()),
    )


@st.composite
def depthwise_cases(draw):
    """One input channel in each of many groups: around a vector of them, small maps and large."""
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    padding = draw(st.tuples(*[st.integers(0, 6)] * 4))
    dilation = draw(st.tuples(steps, steps))
    size = draw(images(kernel, padding, dilation, 30))
    groups = draw(st.integers(2, 40))
    return Conv2dCase(
        (draw(st.integers(1, 3)), groups, *size),
        groups * draw(st.integers(1, 3)),
        kernel,
        draw(st.tuples(steps, steps)),
        padding,
        dilation,
        groups,
        draw(st.booleans()),
    )


@st.composite
def winograd_cases(draw, largest_image=24, most_channels=70):
    """3x3 windows that move by one: more channels than a vector or a panel has, odd images."""
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    dilation = draw(st.sampled_from((1, 1, 1, 2, 3)))
    padding = draw(st.tuples(sides, sides, sides, sides))
    reach = 2 * dilation + 1
    size = [
        draw(st.integers(max(reach - sum(padding[i : i + 2]), 1), largest_image)) for i in (0, 2)
    ]
    channels = st.integers(1, most_channels // groups)
    return Conv2dCase(
        (draw(st.integers(1, 3)), groups * draw(channels), *size),
        groups * draw(channels),
        padding=padding,
        dilation=(dilation, dilation),
        groups=groups,
        bias=draw(st.booleans()),
    )


@st.composite
def pool_cases(draw):
    """Poolings as PyTorch allows them: padding of at most half a window."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [draw(st.integers(max(k - 2 * p, 1), 20)) for k, p in zip(kernel, padding, strict=True)]
    return PoolCase(
        (draw(st.integers(0, 2)), draw(st.integers(1, 4)), *size),
        kernel,
        draw(st.tuples(steps, steps)),
        padding,
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()),
        divisor=draw(st.none() | st.integers(1, 9)),
    )
