// Runs a CUDA kernel on the CPU, one block after the other: every CUDA thread is a fibre with a stack of its own.
//
// Between two barriers the fibres run one by one, in ascending, descending or shuffled order, and a warp runs as far as the
// next __syncthreads before the next warp starts. A missing barrier therefore shows as a result that depends on the order.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <random>
#include <stdexcept>
#include <vector>

#define __global__
#define __device__
#define __shared__ static

using std::isnan;

struct Coordinates {
    int x = 0;
};
inline Coordinates threadIdx, blockIdx;

namespace shim {

enum class State { ready, at_warp, at_block, done };

struct Fibre {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    State state = State::ready;
};

inline std::vector<Fibre> fibres;
inline ucontext_t scheduler;
inline int running;
inline std::function<void()> body;

inline void pause(State state)
{
    fibres[running].state = state;
    swapcontext(&fibres[running].context, &scheduler);
}

inline void enter()
{
    body();
    pause(State::done);
}

inline bool all_at(const std::vector<int>& warp, State state)
{
    return std::all_of(warp.begin(), warp.end(), [=](int i) { return fibres[i].state == state; });
}

template <class T>
void reorder(std::vector<T>& sequence, int seed, std::mt19937& random)
{
    std::sort(sequence.begin(), sequence.end());
    if (seed == 1)
        std::reverse(sequence.begin(), sequence.end());
    if (seed > 1)
        std::shuffle(sequence.begin(), sequence.end(), random);
}

// Every thread of the warp goes from barrier `from` to its next one.
inline void advance(std::vector<int>& warp, State from, int seed, std::mt19937& random)
{
    if (!all_at(warp, from))
        throw std::runtime_error("threads of a warp wait at different barriers");
    reorder(warp, seed, random);
    for (int i : warp) {
        running = threadIdx.x = i;
        swapcontext(&scheduler, &fibres[i].context);
    }
}

inline void run_block(int threads, int seed)
{
    std::mt19937 random(seed);
    std::vector<std::vector<int>> warps((threads + 31) / 32);
    for (int i = 0; i < threads; ++i)
        warps[i / 32].push_back(i);
    for (State from = State::ready; !all_at(warps[0], State::done); from = State::at_block) {
        for (auto& warp : warps) {
            advance(warp, from, seed, random);
            while (fibres[warp[0]].state == State::at_warp)
                advance(warp, State::at_warp, seed, random);
        }
        reorder(warps, seed, random);
    }
}

// seed 0: ascending order, 1: descending, others: shuffled at every barrier.
inline void launch(int blocks, int threads, int seed, std::function<void()> kernel)
{
    body = std::move(kernel);
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        fibres = std::vector<Fibre>(threads);
        for (auto& fibre : fibres) {
            getcontext(&fibre.context);
            fibre.context.uc_stack.ss_sp = fibre.stack.data();
            fibre.context.uc_stack.ss_size = fibre.stack.size();
            makecontext(&fibre.context, enter, 0);
        }
        run_block(threads, seed);
    }
}

// Launch a kernel; 1 if threads of a warp met different barriers.
inline int attempt(int blocks, int threads, int seed, std::function<void()> kernel)
{
    try {
        launch(blocks, threads, seed, std::move(kernel));
    } catch (const std::exception&) {
        return 1;
    }
    return 0;
}

}  // namespace shim

inline double __longlong_as_double(long long bits) { return std::bit_cast<double>(bits); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline void __syncwarp() { shim::pause(shim::State::at_warp); }
inline void __syncthreads() { shim::pause(shim::State::at_block); }
