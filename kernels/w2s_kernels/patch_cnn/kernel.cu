// Gradient descent of two-layer ReLU networks (or linear ones) on patches, in the span of the patches: a block trains a network
// for all steps of a launch.
//
// products, held, added (networks, rows, filters); heights, scales (networks, rows); outputs, labels (networks, examples), labels
// 0 where a task has fewer examples; gram (tasks, rows, rows) symmetric; members (tasks, examples, patches). holders (tasks,
// examples * patches) lists the examples that hold each row, from offsets (tasks, rows + 1) on. rates (networks) are over the
// number of examples; task (networks) says whose data a network sees. rows is a multiple of TOGETHER. Sums have an order of
// their own for each entry: a network in a batch has the bits it has alone.

struct Network {
    const double *labels, *scales;
    const long long *members, *holders, *offsets;
    double rate, share;
    int rows, examples, patches, filters, relu;
};

__device__ inline double height_of(const Network& net, const double* seen, double scale)
{
    if (!net.relu)
        return scale * seen[0];
    const int half = net.filters / 2;
    double total = 0.0;
    for (int f = 0; f < half; ++f) {
        const double plus = scale * seen[f], minus = scale * seen[f + half];
        total += (plus < 0.0 ? 0.0 : plus) - (minus < 0.0 ? 0.0 : minus);
    }
    return total * net.share;
}

// What the networks make of each row, then how far each example pulls.
__device__ inline void look(const Network& net, const double* products, double* heights, double* outputs)
{
    const int thread = static_cast<int>(threadIdx.x);
    for (int k = thread; k < net.rows; k += THREADS)
        heights[k] = height_of(net, products + static_cast<long long>(k) * net.filters, net.scales[k]);
    __syncthreads();
    for (int i = thread; i < net.examples; i += THREADS) {
        double said = 0.0;
        for (int p = 0; p < net.patches; ++p)
            said += heights[net.members[static_cast<long long>(i) * net.patches + p]];
        const double y = net.labels[i];
        outputs[i] = net.rate * y / (1.0 + exp(y * said));
    }
    __syncthreads();
}

// The combination of rows that a step adds to every filter.
__device__ inline void pull(const Network& net, const double* products, const double* outputs, double* added)
{
    const int half = net.filters / 2;
    for (int k = static_cast<int>(threadIdx.x); k < net.rows; k += THREADS) {
        double total = 0.0;
        for (long long at = net.offsets[k]; at < net.offsets[k + 1]; ++at)
            total += outputs[net.holders[at]];
        const double scale = net.scales[k];
        const long long row = static_cast<long long>(k) * net.filters;
        total *= scale * net.share;
        for (int f = 0; f < net.filters; ++f) {
            const bool open = !net.relu || scale * products[row + f] > 0.0;
            added[row + f] = open ? (net.relu && f >= half ? -total : total) : 0.0;
        }
    }
    __syncthreads();
}

// products += gram @ added, TOGETHER rows of one filter a thread.
__device__ inline void move(const Network& net, const double* gram, const double* added, double* products, double* held)
{
    const int work = net.rows / TOGETHER * net.filters;
    for (int e = static_cast<int>(threadIdx.x); e < work; e += THREADS) {
        const int first = e / net.filters * TOGETHER, f = e % net.filters;
        double total[TOGETHER] = {};
        for (int l = 0; l < net.rows; ++l) {
            const double factor = added[static_cast<long long>(l) * net.filters + f];
            const double* row = gram + static_cast<long long>(l) * net.rows + first;
#pragma unroll
            for (int q = 0; q < TOGETHER; ++q)
                total[q] += row[q] * factor;
        }
#pragma unroll
        for (int q = 0; q < TOGETHER; ++q) {
            const long long at = static_cast<long long>(first + q) * net.filters + f;
            products[at] += total[q];
            held[at] += added[at];
        }
    }
    __syncthreads();
}

extern "C" __global__ void train_in_span(double* products, double* held, double* added, double* heights, double* outputs,
                                   const double* gram, const long long* members, const long long* holders,
                                   const long long* offsets, const double* labels, const double* scales, const double* rates,
                                   const long long* task, int steps, int rows, int examples, int patches, int filters,
                                   int relu)
{
    const long long item = blockIdx.x, own = task[item], count = static_cast<long long>(rows) * filters;
    const long long lists = static_cast<long long>(examples) * patches;
    const Network net{labels + item * examples, scales + item * rows, members + own * lists, holders + own * lists,
                      offsets + own * (rows + 1), rates[item], relu ? 2.0 / filters : 1.0, rows, examples, patches, filters,
                      relu};
    const double* square = gram + own * rows * rows;
    for (int step = 0; step < steps; ++step) {
        look(net, products + item * count, heights + item * rows, outputs + item * examples);
        pull(net, products + item * count, outputs + item * examples, added + item * count);
        move(net, square, added + item * count, products + item * count, held + item * count);
    }
}
