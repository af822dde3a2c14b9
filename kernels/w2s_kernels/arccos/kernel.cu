// g(r) height_i width_j for the cosines r of a product matrix, in place: the Gram of ReLU features without a temporary.
//
// The arithmetic is that of the compiled CPU version, fdlibm's arc cosine included (Sun Microsystems, 1993: e_acos.c), and
// -fmad=false keeps its bits.

__device__ inline double arc_cosine(double cosine)
{
    const double pi = 3.141592653589793;
    const double r = fmin(fmax(cosine, -1.0), 1.0);
    const double a = fabs(r);
    const bool far = a < 0.5;
    const double z = far ? a * a : 0.5 * (1.0 - a);
    const double w = far ? a : sqrt(z);
    const double top = z * (1.66666666666666657415e-01
        + z * (-3.25565818622400915405e-01
        + z * (2.01212532134862925881e-01
        + z * (-4.00555345006794114027e-02
        + z * (7.91534994289814532176e-04
        + z * 3.47933107596021167570e-05)))));
    const double bottom = 1.0 + z * (-2.40339491173441421878e00
        + z * (2.02094576023350569471e00
        + z * (-6.88283971605453293030e-01
        + z * 7.70381505559019352791e-02)));
    const double sine = w + w * (top / bottom);
    const double acute = far ? 0.5 * pi - sine : 2.0 * sine;
    const double angle = r > 0.0 ? pi - acute : acute;
    const double s = angle * angle;
    // sin e - e cos e = sum of (-1)^n 2 (n + 1) / (2 n + 3)! e^(2 n + 3), each coefficient rounded once.
    const double series = angle * s * (2.0 / 6.0
        + s * (-4.0 / 120.0
        + s * (6.0 / 5040.0
        + s * (-8.0 / 362880.0
        + s * (10.0 / 39916800.0
        + s * (-12.0 / 6227020800.0))))));
    const double closed = sqrt((1.0 - a) * (1.0 + a)) + r * angle;
    return angle < 0.25 ? series : closed;
}

// values (rows, columns): cosines become entries. A thread an entry, blocks of THREADS along a row.
extern "C" __global__ void rectangle(double* values, const double* height, const double* width, long long columns)
{
    const long long across = (columns + THREADS - 1) / THREADS;
    const long long i = blockIdx.x / across;
    const long long j = blockIdx.x % across * THREADS + threadIdx.x;
    if (j < columns)
        values[i * columns + j] = arc_cosine(values[i * columns + j]) * (height[i] * width[j]);
}

// values (size, size): the upper triangle of the cosines decides, and the result is symmetric to the bit. A block of THREADS a
// tile of TILE x TILE entries; those below the diagonal leave at once, and their places are written by their mirror images.
extern "C" __global__ void symmetric(double* values, const double* height, const double* width, long long size)
{
    __shared__ double tile[TILE][TILE + 1];  // odd rows: a column touches every bank once
    const long long across = (size + TILE - 1) / TILE;
    const long long top = blockIdx.x / across * TILE, first = blockIdx.x % across * TILE;
    if (top > first)
        return;
    const int column = threadIdx.x % TILE;
    for (int row = threadIdx.x / TILE; row < TILE; row += THREADS / TILE) {
        const long long i = top + row, j = first + column;
        if (i < size && j < size && i <= j) {
            tile[row][column] = arc_cosine(values[i * size + j]) * (height[i] * width[j]);
            values[i * size + j] = tile[row][column];
        }
    }
    __syncthreads();
    for (int row = threadIdx.x / TILE; row < TILE; row += THREADS / TILE) {
        const long long below = first + row, left = top + column;
        if (below < size && left < size && left < below)
            values[below * size + left] = tile[column][row];
    }
}
