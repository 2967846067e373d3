# Instruction set and threads (process-wide), and the context that every call takes with it.

cdef const fnn_kernels *current_kernels = NULL
cdef const fnn_kernels *current_halves = NULL
cdef unsigned long kernel_tables = 0  # set so far: a stand-in's is written anew in its place
cdef int current_isa = 0
cdef int current_threads = 1
cdef ptrdiff_t core_l2 = fnn_cpu_l2()


cdef inline fnn_ctx context():
    cdef fnn_ctx ctx
    ctx.kernels = current_kernels
    ctx.threads = current_threads
    ctx.algorithm = FNN_AUTO
    ctx.precision = FNN_FAST
    ctx.l2 = core_l2
    ctx.halves = current_halves
    ctx.chosen = NULL
    return ctx


def isa_compiled():
    """Names of the instruction sets this build holds, in rising order of preference."""
    return tuple(fnn_isa_name(i).decode() for i in range(fnn_isa_count()))


def isa_available():
    """Names of those this processor can run."""
    return tuple(fnn_isa_name(i).decode() for i in range(fnn_isa_count()) if fnn_isa_usable(i))


def get_isa():
    """Name of the instruction set in use."""
    return fnn_isa_name(current_isa).decode()


def set_isa(name):
    """Use the kernels of this instruction set from now on, in the whole process.

    Raises
    ------
    ValueError
        If there is none of that name, or the processor lacks it.
    """
    global current_isa, current_kernels, current_halves, kernel_tables
    for i in range(fnn_isa_count()):
        if fnn_isa_name(i).decode() == name:
            if not fnn_isa_usable(i):
                raise ValueError(
                    f"this processor does not support the instruction set {name!r}; "
                    f"it supports {', '.join(isa_available())}"
                )
            current_isa = i
            current_kernels = fnn_isa_kernels(i)
            current_halves = fnn_isa_halves(i)
            kernel_tables += 1
            return
    raise ValueError(
        f"unknown instruction set {name!r}; this build has {', '.join(isa_compiled())}"
    )


def get_num_threads():
    """Threads that kernels may use."""
    return current_threads


def set_num_threads(n):
    """Let kernels use up to ``n`` threads, in the whole process."""
    global current_threads
    if not isinstance(n, int) or isinstance(n, bool):
        raise TypeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, but got {n}")
    current_threads = min(n, FNN_MAX_THREADS)


def cpu_limits():
    """(affinity mask, physical cores in it, whole processors of the cgroup quota or 0)."""
    return fnn_cpu_affinity(), fnn_cpu_cores(), fnn_cpu_quota()


def pool_workers():
    """Worker threads alive in this process, for tests."""
    return fnn_pool_workers()


def kernel_names():
    """(isa, dtype, kernel) of every kernel this processor can run."""
    names = [fnn_kernel_name(i).decode().rsplit("_", 1) for i in range(fnn_kernel_count())]
    dtypes = {"f32": "float32", "f64": "float64"}
    return [(isa, dtypes[suffix], stem) for isa in isa_available() for stem, suffix in names]


def stand_in_for(dtype, kernel):
    """Have one kernel of the instruction set in use do nothing, until the next set_isa.

    For tests of the tests: see :func:`stand_in_calls`.
    """
    global current_kernels, kernel_tables
    wanted = f"{kernel}_{'f32' if dtype == 'float32' else 'f64'}"
    for i in range(fnn_kernel_count()):
        if fnn_kernel_name(i).decode() == wanted:
            current_kernels = fnn_kernels_without(current_isa, i)
            kernel_tables += 1
            return
    raise ValueError(f"no kernel {wanted!r}")


def stand_in_calls():
    """How often the kernel that does nothing was called since it was put in."""
    return fnn_stand_in_calls()


def release_memory():
    """Free the calling thread's workspace and every block waiting to be reused."""
    fnn_workspace_release()
    fnn_release_all()


def cached_bytes():
    """Bytes of freed results that wait to be reused."""
    return fnn_cached_bytes()


def compiler():
    """Name and version of the compiler that built the C core."""
    return fnn_compiler().decode()


set_isa(isa_available()[-1])
