// Batched small SPD systems: L L' = A, L y = b, L'x = y, and b'A^-1 b = y'y, in double precision and shared memory.
//
// Compiled once for each order: DIM (1..64), GROUP (threads an item, a power of two >= DIM and >= 4), ITEMS (items a block).
// Thread i of a group owns row i. Work goes in panels of four columns, left-looking: a row loads each of its entries once
// for four multiply-adds, and a panel costs two barriers. Rows of shared memory have an odd length, so that the rows of a
// warp start in different banks. The diagonal of L holds reciprocals. Rows from DIM to a multiple of four are the identity.
//
// Every item is computed by its own group in an order that depends on nothing else: an item in a batch has the bits it has
// alone; the order is also that of the compiled CPU version, bit for bit. A pivot that is not positive and finite becomes nan, which reaches every later pivot and every result of the item.

constexpr int PAD = (DIM + 3) / 4 * 4;
constexpr int LD = PAD + 1;
constexpr int CHUNK = 16;  // right-hand sides at a time: 64 x 64 and they fit 48 KiB
constexpr int LDY = CHUNK + 1;

static_assert(GROUP >= PAD && GROUP <= 64, "one thread a row");

// Groups share warps, never the other way round, unless a group is two warps and alone in its block.
__device__ inline void barrier()
{
#if GROUP <= 32
    __syncwarp();
#else
    static_assert(ITEMS == 1, "a group of two warps has a block of its own");
    __syncthreads();
#endif
}

__device__ inline double inverse_root(double pivot)
{
    return pivot > 0.0 && pivot <= 1.7976931348623157e308 ? 1.0 / sqrt(pivot) : nan("");
}

__device__ void load_lower(double* L, const double* A, int lane)
{
    for (int e = lane; e < PAD * PAD; e += GROUP) {
        const int i = e / PAD, j = e % PAD;
        if (j <= i)
            L[i * LD + j] = i < DIM ? A[i * DIM + j] : (i == j ? 1.0 : 0.0);
    }
}

// Cholesky factor of the 4 x 4 tile (row-major, lower) into t, reciprocals on the diagonal; every thread does the same.
__device__ void factor_tile(double t[4][4], const double* tile)
{
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int i = j; i < 4; ++i) {
            double c = tile[4 * i + j];
#pragma unroll
            for (int m = 0; m < j; ++m)
                c = fma(-t[i][m], t[j][m], c);
            t[i][j] = i == j ? inverse_root(c) : c * t[j][j];
        }
}

__device__ void factor(double* L, double* tile, int lane)
{
    double* row = L + lane * LD;
    for (int j = 0; j < PAD; j += 4) {
        const bool active = lane >= j && lane < PAD;
        double c[4], t[4][4];
        if (active) {
            for (int q = 0; q < 4; ++q)  // above the diagonal of the tile lies nothing that is used
                c[q] = j + q <= lane ? row[j + q] : 0.0;
            for (int m = 0; m < j; ++m)
#pragma unroll
                for (int q = 0; q < 4; ++q)
                    c[q] = fma(-row[m], L[(j + q) * LD + m], c[q]);
            if (lane < j + 4)
                for (int q = 0; q < 4; ++q)
                    tile[4 * (lane - j) + q] = c[q];
        }
        barrier();
        factor_tile(t, tile);
        if (active) {
#pragma unroll
            for (int q = 0; q < 4; ++q) {
#pragma unroll
                for (int m = 0; m < q; ++m)
                    c[q] = fma(-t[q][m], c[m], c[q]);
                c[q] *= t[q][q];
                row[j + q] = lane == j + q ? t[q][q] : c[q];
            }
        }
        barrier();
    }
}

// L y = b in place: four rows of every column at once, then what they contribute to the rows below.
__device__ void forward(const double* L, double* y, int columns, int lane)
{
    for (int j = 0; j < PAD; j += 4) {
        for (int col = lane; col < columns; col += GROUP)
            for (int q = 0; q < 4; ++q) {
                double c = y[(j + q) * LDY + col];
                for (int m = 0; m < q; ++m)
                    c = fma(-L[(j + q) * LD + j + m], y[(j + m) * LDY + col], c);
                y[(j + q) * LDY + col] = c * L[(j + q) * LD + j + q];
            }
        barrier();
        if (lane >= j + 4 && lane < PAD)
            for (int col = 0; col < columns; ++col) {
                double c = y[lane * LDY + col];
                for (int q = 0; q < 4; ++q)
                    c = fma(-L[lane * LD + j + q], y[(j + q) * LDY + col], c);
                y[lane * LDY + col] = c;
            }
        barrier();
    }
}

// L'x = y in place, from the last four rows up.
__device__ void backward(const double* L, double* y, int columns, int lane)
{
    for (int j = PAD - 4; j >= 0; j -= 4) {
        for (int col = lane; col < columns; col += GROUP)
            for (int q = 3; q >= 0; --q) {
                double c = y[(j + q) * LDY + col];
                for (int m = 3; m > q; --m)
                    c = fma(-L[(j + m) * LD + j + q], y[(j + m) * LDY + col], c);
                y[(j + q) * LDY + col] = c * L[(j + q) * LD + j + q];
            }
        barrier();
        if (lane < j)
            for (int col = 0; col < columns; ++col) {
                double c = y[lane * LDY + col];
                for (int q = 3; q >= 0; --q)
                    c = fma(-L[(j + q) * LD + lane], y[(j + q) * LDY + col], c);
                y[lane * LDY + col] = c;
            }
        barrier();
    }
}

__device__ void squares(double* out, const double* y, int columns, int lane)
{
    for (int col = lane; col < columns; col += GROUP) {
        double sum = 0.0;
        for (int i = 0; i < DIM; ++i)
            sum = fma(y[i * LDY + col], y[i * LDY + col], sum);
        out[col] = sum;
    }
}

// A (items, DIM, DIM), B and x (items, DIM, k), quadratic (items, k), info (items); blocks of GROUP * ITEMS threads.
extern "C" __global__ void solve_small(const double* A, const double* B, double* x, double* quadratic, long long* info,
                                       long long items, int k)
{
    __shared__ double factors[ITEMS][PAD * LD];
    __shared__ double sides[ITEMS][PAD * LDY];
    __shared__ double tiles[ITEMS][16];
    const int lane = threadIdx.x % GROUP, slot = threadIdx.x / GROUP;
    const long long wanted = static_cast<long long>(blockIdx.x) * ITEMS + slot;
    // Groups beyond the batch do an item again without writing it: every thread must reach every barrier.
    const bool inside = wanted < items;
    const long long item = inside ? wanted : items - 1;
    double *L = factors[slot], *y = sides[slot];

    load_lower(L, A + item * DIM * DIM, lane);
    barrier();
    factor(L, tiles[slot], lane);
    for (int first = 0; first < k; first += CHUNK) {
        const int columns = k - first < CHUNK ? k - first : CHUNK;
        for (int e = lane; e < PAD * columns; e += GROUP) {
            const int i = e / columns, col = e % columns;
            y[i * LDY + col] = i < DIM ? B[(item * DIM + i) * k + first + col] : 0.0;
        }
        barrier();
        forward(L, y, columns, lane);
        if (inside)
            squares(quadratic + item * k + first, y, columns, lane);
        // No barrier: `backward` starts with the same columns on the same threads.
        backward(L, y, columns, lane);
        if (inside)
            for (int e = lane; e < DIM * columns; e += GROUP)
                x[(item * DIM + e / columns) * k + first + e % columns] = y[e / columns * LDY + e % columns];
        barrier();
    }
    if (inside && lane == 0)
        info[item] = isnan(L[(DIM - 1) * LD + DIM - 1]);
}
