/* One dimension of each Winograd transform, of vectors; the matrices' names are those of
 * kernels/winograd.h. m is a literal in every use, and arrays have the largest m's length. */

#define NEAR ((real)0.70710678118654752440) /* the points of m = 4: +-sqrt(1/2) and */
#define FAR ((real)1.41421356237309504880)  /* +-sqrt(2) */

/* B^T: m+2 -> m+2. For m > 2 each pair of points +-p shares an even and an odd part. */
FNN_INLINE void FN(winograd_bt)(int m, const vec d[6], vec o[6]) {
    if (m == 2) {
        o[0] = d[0] - d[2];
        o[1] = d[1] + d[2];
        o[2] = d[2] - d[1];
        o[3] = d[3] - d[1];
        return;
    }
    if (m == 3) {
        const vec even = FN(fma)(FN(splat)((real)-1.125), d[0], FN(splat)((real)0.5) * d[2]);
        const vec even2 = FN(fma)(FN(splat)((real)-0.375), d[0], FN(splat)((real)1.5) * d[2]);
        const vec odd = FN(fma)(FN(splat)((real)-2.25), d[1], d[3]);
        const vec odd2 = FN(fma)(FN(splat)((real)-0.25), d[1], d[3]);
        o[0] = even + odd;
        o[1] = even - odd;
        o[2] = even2 + odd2;
        o[3] = even2 - odd2;
        o[4] = FN(fma)(FN(splat)((real)0.5625), d[0], FN(fma)(FN(splat)((real)-2.5), d[2], d[4]));
        return;
    }
    const vec near = FN(splat)(NEAR), far = FN(splat)(FAR);
    const vec even = FN(fma)(FN(splat)(-2), d[2], d[4]), odd = FN(fma)(FN(splat)(-2), d[1], d[3]);
    const vec even2 = FN(fma)(FN(splat)((real)-0.5), d[2], d[4]);
    const vec odd2 = FN(fma)(FN(splat)((real)-0.5), d[1], d[3]);
    o[0] = FN(fma)(FN(splat)((real)-2.5), d[2], d[0] + d[4]);
    o[1] = FN(fma)(near, odd, even);
    o[2] = FN(fma)(-near, odd, even);
    o[3] = FN(fma)(far, odd2, even2);
    o[4] = FN(fma)(-far, odd2, even2);
    o[5] = FN(fma)(FN(splat)((real)-2.5), d[3], d[1] + d[5]);
}

/* A^T: m+2 -> m. */
FNN_INLINE void FN(winograd_at)(int m, const vec v[6], vec o[6]) {
    if (m == 3) {
        const vec half = FN(splat)((real)0.5), more = FN(splat)((real)1.5);
        const vec sum = v[0] + v[1], sum2 = v[2] + v[3];
        o[0] = sum + sum2;
        o[1] = FN(fma)(more, v[2] - v[3], half * (v[0] - v[1]));
        o[2] = FN(fma)(more * more, sum2, FN(fma)(half * half, sum, v[4]));
        return;
    }
    const vec sum = v[1] + v[2], difference = v[1] - v[2];
    if (m == 2) {
        o[0] = v[0] + sum;
        o[1] = difference + v[3];
        return;
    }
    const vec sum2 = v[3] + v[4], difference2 = v[3] - v[4];
    const vec near = FN(splat)(NEAR), far = FN(splat)(FAR);
    o[0] = v[0] + sum + sum2;
    o[1] = FN(fma)(far, difference2, near * difference);
    o[2] = FN(fma)(FN(splat)(2), sum2, FN(splat)((real)0.5) * sum);
    /* the cubes of the points are half of sqrt(1/2) and twice sqrt(2) */
    o[3] = FN(fma)(far + far, difference2, FN(fma)(FN(splat)((real)0.5) * near, difference, v[5]));
}

/* A: m -> m+2. */
FNN_INLINE void FN(winograd_a)(int m, const vec y[6], vec o[6]) {
    if (m == 2) {
        o[0] = y[0];
        o[1] = y[0] + y[1];
        o[2] = y[0] - y[1];
        o[3] = y[1];
        return;
    }
    const vec near = FN(splat)(NEAR), far = FN(splat)(FAR);
    const vec half = FN(splat)((real)0.5), two = FN(splat)(2);
    const vec even = FN(fma)(half, y[2], y[0]), odd = FN(fma)(half, y[3], y[1]);
    const vec even2 = FN(fma)(two, y[2], y[0]), odd2 = FN(fma)(two, y[3], y[1]);
    o[0] = y[0];
    o[1] = FN(fma)(near, odd, even);
    o[2] = FN(fma)(-near, odd, even);
    o[3] = FN(fma)(far, odd2, even2);
    o[4] = FN(fma)(-far, odd2, even2);
    o[5] = y[3];
}

/* Row i of G: its three coefficients. For m = 4 the rows of +-p are scaled by -2/3 and 1/6, for
 * m = 3 by -1/2 and 1/6. */
FNN_INLINE void FN(winograd_g_row)(int m, int i, real row[3]) {
    static const real four[6][3] = {
        {1, 0, 0},
        {(real)(-2.0 / 3), (real)(-2.0 / 3) * NEAR, (real)(-1.0 / 3)},
        {(real)(-2.0 / 3), (real)(2.0 / 3) * NEAR, (real)(-1.0 / 3)},
        {(real)(1.0 / 6), (real)(1.0 / 6) * FAR, (real)(1.0 / 3)},
        {(real)(1.0 / 6), (real)(-1.0 / 6) * FAR, (real)(1.0 / 3)},
        {0, 0, 1}};
    static const real three[5][3] = {{(real)-0.5, (real)-0.25, (real)-0.125},
                                     {(real)-0.5, (real)0.25, (real)-0.125},
                                     {(real)(1.0 / 6), (real)0.25, (real)0.375},
                                     {(real)(1.0 / 6), (real)-0.25, (real)0.375},
                                     {0, 0, 1}};
    static const real two[4][3] = {
        {1, 0, 0}, {(real)0.5, (real)0.5, (real)0.5}, {(real)0.5, (real)-0.5, (real)0.5}, {0, 0, 1}};
    for (int s = 0; s < 3; s++) row[s] = m == 2 ? two[i][s] : m == 3 ? three[i][s] : four[i][s];
}

/* G: 3 -> m+2. */
FNN_INLINE void FN(winograd_g)(int m, const vec g[3], vec o[6]) {
    o[m + 1] = g[2];
    if (m == 3) {
        const vec quarter = FN(splat)((real)0.25) * g[1];
        const vec even = FN(fma)(FN(splat)((real)-0.125), g[2], FN(splat)((real)-0.5) * g[0]);
        const vec even2 = FN(fma)(FN(splat)((real)0.375), g[2], FN(splat)((real)(1.0 / 6)) * g[0]);
        o[0] = even - quarter;
        o[1] = even + quarter;
        o[2] = even2 + quarter;
        o[3] = even2 - quarter;
        return;
    }
    o[0] = g[0];
    if (m == 2) {
        const vec even = FN(splat)((real)0.5) * (g[0] + g[2]), odd = FN(splat)((real)0.5) * g[1];
        o[1] = even + odd;
        o[2] = even - odd;
        return;
    }
    const real third = (real)(1.0 / 3), sixth = (real)(1.0 / 6);
    const vec even = FN(fma)(FN(splat)(-third), g[2], FN(splat)(-2 * third) * g[0]);
    const vec odd = FN(splat)((real)(-2.0 / 3) * NEAR) * g[1];
    const vec even2 = FN(fma)(FN(splat)(third), g[2], FN(splat)(sixth) * g[0]);
    const vec odd2 = FN(splat)((real)(1.0 / 6) * FAR) * g[1];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
}

/* G^T: m+2 -> 3. */
FNN_INLINE void FN(winograd_gt)(int m, const vec u[6], vec o[3]) {
    const vec sum = u[1] + u[2], difference = u[1] - u[2];
    if (m == 2) {
        const vec half = FN(splat)((real)0.5);
        o[0] = FN(fma)(half, sum, u[0]);
        o[1] = half * difference;
        o[2] = FN(fma)(half, sum, u[3]);
        return;
    }
    const vec sum2 = u[3] + u[4], difference2 = u[3] - u[4];
    const vec third = FN(splat)((real)(1.0 / 3));
    o[0] = FN(fma)(third, FN(fma)(FN(splat)((real)0.5), sum2, -(sum + sum)), u[0]);
    o[1] = FN(fma)(FN(splat)((real)(-2.0 / 3) * NEAR), difference,
                   FN(splat)((real)(1.0 / 6) * FAR) * difference2);
    o[2] = FN(fma)(third, sum2 - sum, u[5]);
}

#undef NEAR
#undef FAR
