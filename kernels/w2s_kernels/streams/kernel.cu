// Random streams: Threefry-4x64-20 and what is made of its words, in the arithmetic of threefry.py and elementary.py.
//
// One thread makes one block, the four draws of columns 4 b ... 4 b + 3 of a row. Nothing is shared, so a slice costs what it
// holds. Normals have the bits of the CPU: + - * / and sqrt in the same order, and -fmad=false, without which the compiler
// would contract a * b + c into one rounding.

typedef unsigned long long word;

struct Block {
    word x0, x1, x2, x3;
};

__device__ inline double number(word bits) { return __longlong_as_double(static_cast<long long>(bits)); }
__device__ inline word bits(double x) { return static_cast<word>(__double_as_longlong(x)); }

__device__ inline void mix(word& a, word& b, int rotation)
{
    a += b;
    b = ((b << rotation) | (b >> (64 - rotation))) ^ a;
}

__device__ inline void even_rounds(Block& x)
{
    mix(x.x0, x.x1, 14), mix(x.x2, x.x3, 16);
    mix(x.x0, x.x3, 52), mix(x.x2, x.x1, 57);
    mix(x.x0, x.x1, 23), mix(x.x2, x.x3, 40);
    mix(x.x0, x.x3, 5), mix(x.x2, x.x1, 37);
}

__device__ inline void odd_rounds(Block& x)
{
    mix(x.x0, x.x1, 25), mix(x.x2, x.x3, 33);
    mix(x.x0, x.x3, 46), mix(x.x2, x.x1, 12);
    mix(x.x0, x.x1, 58), mix(x.x2, x.x3, 22);
    mix(x.x0, x.x3, 32), mix(x.x2, x.x1, 32);
}

__device__ inline void add_key(Block& x, word a, word b, word c, word d)
{
    x.x0 += a, x.x1 += b, x.x2 += c, x.x3 += d;
}

// The counter is (block, row, 0, 0).
__device__ inline Block threefry(word block, word row, word k0, word k1, word k2, word k3)
{
    const word k4 = k0 ^ k1 ^ k2 ^ k3 ^ 0x1BD11BDAA9FC1A22ULL;
    Block x = {block, row, 0, 0};
    add_key(x, k0, k1, k2, k3);
    even_rounds(x);
    add_key(x, k1, k2, k3, k4 + 1);
    odd_rounds(x);
    add_key(x, k2, k3, k4, k0 + 2);
    even_rounds(x);
    add_key(x, k3, k4, k0, k1 + 3);
    odd_rounds(x);
    add_key(x, k4, k0, k1, k2 + 4);
    even_rounds(x);
    add_key(x, k0, k1, k2, k3 + 5);
    return x;
}

// The upper 52 bits as a number in [1, 2).
__device__ inline double fraction(word w) { return number((w >> 12) | 0x3FF0000000000000ULL); }

__device__ inline double unit(word w) { return fraction(w) - (1.0 - 0x1p-53); }

__device__ inline double minus_two_log(double u)
{
    const word moved = bits(u) + (0x3FF0000000000000ULL - 0x3FE6A09E00000000ULL);
    const double k = number((moved >> 52) | 0x4330000000000000ULL) - (0x1p52 + 1023.0);
    const double f = number((moved & 0x000FFFFFFFFFFFFFULL) + 0x3FE6A09E00000000ULL) - 1.0;
    const double s = f / (f + 2.0);
    const double z = s * s;
    const double p = -1.333333333333334
        + z * (-0.7999999999979689
        + z * (-0.5714285725280079
        + z * (-0.44444422145134377
        + z * (-0.3636578648097066
        + z * (-0.30663192469194495
        + z * -0.2923576276772607)))));
    return k * -1.3862943611198906 + (s * (z * p) - 4.0 * s);
}

__device__ inline double cos_quarter(double y)
{
    return 1.0 + y * (-1.2337005501361697
        + y * (0.2536695079010478
        + y * (-0.02086348076334078
        + y * (0.0009192602745469629
        + y * (-2.520203902892637e-05
        + y * (4.7106784369554455e-07
        + y * -6.329400488359553e-09))))));
}

__device__ inline double sin_quarter(double x, double y)
{
    return x * (1.5707963267948966
        + y * (-0.6459640975062462
        + y * (0.07969262624614426
        + y * (-0.004681754134254782
        + y * (0.00016044116662052683
        + y * (-3.59870298038556e-06
        + y * 5.6422300748810296e-08))))));
}

// Two words become the bits of two normals.
__device__ inline void box_muller(word& first, word& second)
{
    const double radius = sqrt(minus_two_log(unit(first)));
    const double x = (fraction(second) - 1.5) + 0x1p-53;
    const double y = x * x;
    const double cosine = number(bits(cos_quarter(y)) ^ (second << 63));
    const double sine = sin_quarter(x, y);
    const bool swapped = (second & 2) != 0;
    first = bits(radius * (swapped ? sine : cosine));
    second = bits(radius * (swapped ? cosine : sine));
}

struct Words {
    __device__ static void draw(Block&) {}
};

struct Uniforms {
    __device__ static void draw(Block& x)
    {
        x.x0 = bits(unit(x.x0)), x.x1 = bits(unit(x.x1)), x.x2 = bits(unit(x.x2)), x.x3 = bits(unit(x.x3));
    }
};

struct Normals {
    __device__ static void draw(Block& x)
    {
        box_muller(x.x0, x.x1);
        box_muller(x.x2, x.x3);
    }
};

__device__ inline void put(word* row, long long column, long long columns, word value)
{
    if (column >= 0 && column < columns)
        row[column] = value;
}

// out (rows, columns): row 0 is `row0` of the stream, column 0 is draw `skip` of column block `first`.
template <class Kind>
__device__ inline void fill(word* out, word k0, word k1, word k2, word k3, word row0, word first, long long rows,
                            long long columns, long long blocks, int skip)
{
    const long long at = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
    const long long row = at / blocks, block = at % blocks;
    if (row >= rows)
        return;
    Block x = threefry(first + static_cast<word>(block), row0 + static_cast<word>(row), k0, k1, k2, k3);
    Kind::draw(x);
    word* target = out + row * columns;
    const long long column = 4 * block - skip;
    put(target, column, columns, x.x0);
    put(target, column + 1, columns, x.x1);
    put(target, column + 2, columns, x.x2);
    put(target, column + 3, columns, x.x3);
}

extern "C" __global__ void words(word* out, word k0, word k1, word k2, word k3, word row0, word first, long long rows,
                                 long long columns, long long blocks, int skip)
{
    fill<Words>(out, k0, k1, k2, k3, row0, first, rows, columns, blocks, skip);
}

extern "C" __global__ void uniforms(word* out, word k0, word k1, word k2, word k3, word row0, word first, long long rows,
                                    long long columns, long long blocks, int skip)
{
    fill<Uniforms>(out, k0, k1, k2, k3, row0, first, rows, columns, blocks, skip);
}

extern "C" __global__ void normals(word* out, word k0, word k1, word k2, word k3, word row0, word first, long long rows,
                                   long long columns, long long blocks, int skip)
{
    fill<Normals>(out, k0, k1, k2, k3, row0, first, rows, columns, blocks, skip);
}
