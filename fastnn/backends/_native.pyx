# cython: language_level=3, boundscheck=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True
"""The native backend: fastnn.backends.interface over the C core of csrc/fastnn.h.

Bindings only: they take pointers out of arrays, allocate results and hand over; every
decision about how to compute is made in C. Functions rely on their callers' validation of
shapes (fastnn._shapes), but check themselves whatever C would otherwise trust blindly.
"""

cimport cython
cimport numpy as cnp
from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_CheckExact
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t, uint16_t

import numpy as np

cnp.import_array()

name = "native"

include "binding/declarations.pxi"
include "binding/arrays.pxi"
include "binding/checks.pxi"
include "binding/control.pxi"
include "binding/probe.pxi"
include "binding/linear.pxi"
include "binding/conv_choice.pxi"
include "binding/conv.pxi"
include "binding/plan.pxi"
include "binding/pool.pxi"
include "binding/elementwise.pxi"
include "binding/softmax.pxi"
include "binding/optim.pxi"
