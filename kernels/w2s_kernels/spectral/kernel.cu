// Spectral filters phi(s)/s for each item, filter and eigenvalue: alone, times coordinates, or reduced against goals.
//
// The formulas are those of the reference, plain.py. -fmad=false: eta s is rounded before it is compared with 2, so that a
// filter on the edge of divergence is on the same side of it everywhere.
//
// values (items, r) descending, rank (items), filters by kind, value and step (filters). A sum is made by one block in an order
// that depends on r alone: an item in a batch has the bits it has alone.

enum { RIDGE, FLOW, STEPS };

__device__ inline double infinity() { return __longlong_as_double(0x7FF0000000000000LL); }

__device__ inline double flow(double s, bool kept, double time)
{
    const double x = time * s;
    if (time == infinity())
        return kept ? 1.0 / s : 0.0;
    if (x == 0.0)
        return time;
    const double done = -expm1(-x);
    return x > 1.0 ? done / s : time * (done / x);
}

__device__ inline double steps(double s, double count, double step)
{
    const double x = step * s;
    if (count == 0.0)
        return 0.0;
    if (x == 0.0)
        return count * step;
    if (x > 2.0)
        return infinity();
    const double u = x < 1.0 ? x : 2.0 - x;
    const double lost = u == 1.0 ? -1.0 : expm1(count * log1p(-u));
    const double done = x < 1.0 || fmod(count, 2.0) == 0.0 ? -lost : 2.0 + lost;
    return step * (done / x);
}

__device__ inline double response_of(int kind, double value, double step, double s, bool kept)
{
    if (kind == FLOW)
        return flow(s, kept, value);
    if (kind == STEPS)
        return steps(s, value, step);
    if (value != 0.0)
        return 1.0 / (s + value);
    return kept ? 1.0 / s : 0.0;
}

// Responses of the filters of a list, computed where they are needed.
struct Computed {
    const double* values;
    const long long *rank, *kind;
    const double *value, *step;
    int r;

    __device__ double operator()(long long item, int filter, int i) const
    {
        return response_of(static_cast<int>(kind[filter]), value[filter], step[filter], values[item * r + i], i < rank[item]);
    }
};

// Responses (items, filters, r) that are there already.
struct Given {
    const double* responses;
    int filters, r;

    __device__ double operator()(long long item, int filter, int i) const
    {
        return responses[(item * filters + filter) * r + i];
    }
};

// out (items, filters, r), one thread an entry.
extern "C" __global__ void response(double* out, const double* values, const long long* rank, const long long* kind,
                                    const double* value, const double* step, long long items, int filters, int r)
{
    const long long at = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    const long long row = at / r;
    if (row < items * filters)
        out[at] = Computed{values, rank, kind, value, step, r}(row / filters, static_cast<int>(row % filters),
                                                               static_cast<int>(at % r));
}

// out (items, filters, r, columns) from coords (items, r, columns), one thread for a row of columns.
extern "C" __global__ void filter_coords(double* out, const double* values, const long long* rank, const long long* kind,
                                         const double* value, const double* step, const double* coords, long long items,
                                         int filters, int r, int columns)
{
    const long long at = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    const long long row = at / r;
    if (row >= items * filters)
        return;
    const long long item = row / filters;
    const int i = static_cast<int>(at % r);
    const double factor = Computed{values, rank, kind, value, step, r}(item, static_cast<int>(row % filters), i);
    for (int k = 0; k < columns; ++k)
        out[at * columns + k] = factor * coords[(item * r + i) * columns + k];
}

// Adds up each row of sums over the threads of the block; the totals are left in column 0.
__device__ inline void reduce(double sums[3 * TOGETHER][THREADS], int rows)
{
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (static_cast<int>(threadIdx.x) < half)
            for (int q = 0; q < rows; ++q)
                sums[q][threadIdx.x] += sums[q][threadIdx.x + half];
    }
    __syncthreads();
}

// out (3, items, sides, filters): sums over i of (p - a)^2, (p - b)^2 and (b - p)(p - a), p = response times coordinate, for
// coords, first and second (items, sides, r). A block an item and filter; TOGETHER sides share the responses of a pass.
template <class Responses>
__device__ inline void reduce_products(double* out, const Responses& responses, const double* coords, const double* first,
                                       const double* second, long long items, int sides, int filters, int r)
{
    __shared__ double sums[3 * TOGETHER][THREADS];
    const long long item = blockIdx.x / filters;
    const int filter = static_cast<int>(blockIdx.x % filters), thread = static_cast<int>(threadIdx.x);
    for (int side = 0; side < sides; side += TOGETHER) {
        const int here = sides - side < TOGETHER ? sides - side : TOGETHER;
        double total[TOGETHER][3] = {};
        for (int i = thread; i < r; i += THREADS) {
            const double factor = responses(item, filter, i);
#pragma unroll
            for (int q = 0; q < TOGETHER; ++q)
                if (q < here) {
                    const long long at = (item * sides + side + q) * r + i;
                    const double p = factor * coords[at];
                    const double f = p - first[at], g = second[at] - p;
                    total[q][0] += f * f, total[q][1] += g * g, total[q][2] += g * f;
                }
        }
#pragma unroll
        for (int q = 0; q < TOGETHER; ++q)
            for (int part = 0; part < 3; ++part)
                sums[3 * q + part][thread] = total[q][part];
        reduce(sums, 3 * here);
        if (thread < 3 * here) {
            const long long row = (thread % 3) * items + item;
            out[(row * sides + side + thread / 3) * filters + filter] = sums[thread][0];
        }
        __syncthreads();
    }
}

extern "C" __global__ void products(double* out, const double* responses, const double* coords, const double* first,
                                    const double* second, long long items, int sides, int filters, int r)
{
    reduce_products(out, Given{responses, filters, r}, coords, first, second, items, sides, filters, r);
}

extern "C" __global__ void filter_products(double* out, const double* values, const long long* rank, const long long* kind,
                                           const double* value, const double* step, const double* coords,
                                           const double* first, const double* second, long long items, int sides, int filters,
                                           int r)
{
    reduce_products(out, Computed{values, rank, kind, value, step, r}, coords, first, second, items, sides, filters, r);
}
