// Convolutions over two axes of a tensor (batch, n1, n2, channels), and their gradients.
//
// A spatial convolution has the axes height and width, a temporal one the axes time and cells of a
// frame. The results are split into regions whose cells read the same taps of the kernel, so that
// nothing is padded. In a region a convolution is a matrix product whose rows are computed in tiles
// that stay in registers. The order of additions does not depend on the number of threads.
#pragma once

#include "vectors.h"

struct Geometry {
    long batch, n1, n2, in, out; // size of the input, and numbers of channels
    long k1, k2, s1, s2, d1, d2; // size, stride and dilation of the kernel on both axes
    long o1() const { return (n1 + s1 - 1) / s1; }
    long o2() const { return (n2 + s2 - 1) / s2; }
    long taps() const { return k1 * k2; }
};

constexpr int MAX_TAPS = 16; // taps of one axis

// Positions out, out + out_step, ... of one axis of the result that read the same taps.
struct Run {
    long out, out_step, in_step, count;
    int taps;
    long tap[MAX_TAPS], in[MAX_TAPS]; // number of each tap, and what the first position reads by it
};

// Consecutive numbers of a cell's input that are multiplied by consecutive rows of the weights.
struct Segment {
    long in, row, length;
};

struct Loop {
    long count, in, out; // number of steps, and the steps' width in the input and the result
};

struct Region {
    Loop loops[3]; // the innermost is last
    long out;
    std::vector<Segment> segments;
};

// Return the runs of an axis of the result.
inline std::vector<Run> forward_runs(long n, long k, long stride, long dilation) {
    std::vector<Run> runs;
    long pad = k / 2 * dilation, results = (n + stride - 1) / stride;
    if (k == 1) return {Run{0, 1, stride, results, 1, {0}, {0}}};
    for (long o = 0; o < results; o++) {
        Run run{o, 1, stride, 1, 0, {}, {}};
        for (long t = 0; t < k; t++) {
            long i = o * stride - pad + t * dilation;
            if (i >= 0 && i < n) run.tap[run.taps] = t, run.in[run.taps++] = i;
        }
        Run *last = runs.empty() ? nullptr : &runs.back();
        if (last && last->taps == run.taps && std::equal(run.tap, run.tap + run.taps, last->tap))
            last->count++;
        else
            runs.push_back(run);
    }
    return runs;
}

// Return the runs of an axis of the input's gradient, which reads the gradient of the result. Taps
// are numbered from the end of the kernel. Positions that no result reads are left out.
inline std::vector<Run> backward_runs(long n, long k, long stride, long dilation) {
    std::vector<Run> runs;
    long pad = k / 2 * dilation, results = (n + stride - 1) / stride;
    if (k == 1) return {Run{0, stride, 1, results, 1, {0}, {0}}};
    for (long first = 0; first < stride; first++) {
        bool open = false;
        for (long i = first; i < n; i += stride) {
            Run run{i, stride, 1, 1, 0, {}, {}};
            for (long t = k - 1; t >= 0; t--) {
                long o = i + pad - t * dilation;
                if (o >= 0 && o % stride == 0 && o / stride < results)
                    run.tap[run.taps] = k - 1 - t, run.in[run.taps++] = o / stride;
            }
            Run *last = open ? &runs.back() : nullptr;
            if (last && last->taps == run.taps && std::equal(run.tap, run.tap + run.taps, last->tap))
                last->count++;
            else if (run.taps)
                runs.push_back(run), open = true;
            else
                open = false;
        }
    }
    return runs;
}

// Return whether the runs of an axis leave out some of its n positions.
inline bool has_holes(const std::vector<Run> &runs, long n) {
    long covered = 0;
    for (const Run &run : runs) covered += run.count;
    return covered < n;
}

// Join loops that step evenly through both tensors, and put the best loop for tiles last.
inline void order(Loop (&loops)[3]) {
    for (int inner = 2; inner >= 1; inner--)
        for (int outer = inner - 1; outer >= 0; outer--) {
            Loop &a = loops[outer], &b = loops[inner];
            bool even = a.in == b.count * b.in && a.out == b.count * b.out;
            if (b.count == 1) std::swap(a, b);
            else if (a.count > 1 && even) b.count *= a.count, a.count = 1;
            else if (a.count > 1) break;
        }
    // Short steps are best: cells that are a multiple of 4 KiB apart share few lines of the cache.
    for (int i = 1; i >= 0; i--)
        if (loops[2].count < 5 && loops[i].count > loops[2].count) std::swap(loops[i], loops[2]);
}

// Return the regions of the result: of (batch, *, in2 of them, channels) to (batch, o1, o2, out).
inline std::vector<Region> regions_of(long batch, const std::vector<Run> &first,
                                      const std::vector<Run> &second, long in1, long in2,
                                      long channels, long k2, long o1, long o2, long out) {
    std::vector<Region> regions;
    if (batch == 0) return regions;
    for (const Run &a : first)
        for (const Run &b : second) {
            Region region{{{batch, in1 * in2 * channels, o1 * o2 * out},
                           {a.count, a.in_step * in2 * channels, a.out_step * o2 * out},
                           {b.count, b.in_step * channels, b.out_step * out}},
                          (a.out * o2 + b.out) * out,
                          {}};
            for (int i = 0; i < a.taps; i++)
                for (int j = 0; j < b.taps; j++) {
                    Segment s{(a.in[i] * in2 + b.in[j]) * channels, (a.tap[i] * k2 + b.tap[j]) * channels,
                              channels};
                    if (!region.segments.empty()) {
                        Segment &last = region.segments.back();
                        if (last.in + last.length == s.in && last.row + last.length == s.row) {
                            last.length += channels;
                            continue;
                        }
                    }
                    region.segments.push_back(s);
                }
            order(region.loops);
            regions.push_back(std::move(region));
        }
    return regions;
}

template <int NV> constexpr int tile_rows() { return NV >= PANEL_VECTORS ? 6 : 8; }

constexpr long LINE_BYTES = 64;

// Compute M rows of a matrix product with NV vectors each. The cache lines of the result, and of the
// next M rows of a, are requested early.
template <typename T, int W, int NV, int M>
inline void tile(const T *a, long lda, const Segment *segments, int count, const T *b, T *c, long ldc,
                 const T *add) {
    using V = Vector<T, W>;
    constexpr long line = LINE_BYTES / sizeof(T);
    V sum[M][NV];
    for (int m = 0; m < M; m++)
        for (int v = 0; v < NV; v++) {
            sum[m][v] = V{};
            __builtin_prefetch(c + m * ldc + v * W, 1);
        }
    for (int s = 0; s < count; s++) {
        const T *as = a + segments[s].in, *bs = b + segments[s].row * (W * NV);
        for (long k = 0; k < segments[s].length; k++, bs += W * NV) {
            if (k % line == 0)
#pragma GCC unroll 8
                for (int m = 0; m < M; m++) __builtin_prefetch(as + (M + m) * lda + k);
            V w[NV];
#pragma GCC unroll 4
            for (int v = 0; v < NV; v++) w[v] = load<V>(bs + v * W);
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) {
                T x = as[m * lda + k];
#pragma GCC unroll 4
                for (int v = 0; v < NV; v++) sum[m][v] += x * w[v];
            }
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 4
        for (int v = 0; v < NV; v++) {
            V r = sum[m][v];
            if (add) r += load<V>(add + m * ldc + v * W);
            store<V>(c + m * ldc + v * W, r);
        }
}

// Compute `count` rows of a matrix product, in tiles of about equal height.
template <typename T, int W, int NV>
void tiles(const T *a, long lda, const Segment *segments, int n, const T *b, T *c, long ldc,
           const T *add, long count) {
    constexpr int M = tile_rows<NV>();
    long number = (count + M - 1) / M, height = count / number, higher = count % number;
    for (long i = 0; i < number; i++) {
        long m = height + (i < higher);
        switch (m) {
#define CASE(R)                                                                                        \
    case R:                                                                                            \
        if constexpr (R <= M) tile<T, W, NV, R>(a, lda, segments, n, b, c, ldc, add);                  \
        break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
        }
        a += m * lda, c += m * ldc;
        if (add) add += m * ldc;
    }
}

// Cells of a region, and a panel of channels, that one thread computes.
struct Part {
    const Region *region;
    const Panel *panel;
    Loop loops[3];
    long in, out;
};

template <typename T> struct PartProduct {
    const T *a, *b;
    T *c;
    const T *add;
    const Part &part;
    template <int W, int NV> void run(const Panel &panel) {
        const Loop *l = part.loops;
        const auto &segments = part.region->segments;
        for (long i = 0; i < l[0].count; i++)
            for (long j = 0; j < l[1].count; j++) {
                long in = part.in + i * l[0].in + j * l[1].in;
                long out = part.out + i * l[0].out + j * l[1].out + panel.first;
                tiles<T, W, NV>(a + in, l[2].in, segments.data(), (int)segments.size(), b, c + out,
                                l[2].out, add ? add + out : nullptr, l[2].count);
            }
    }
};

// Split the longest loop of a region among the threads.
inline void split(const Region &region, const Panel &panel, int threads, std::vector<Part> &parts) {
    int longest = 0;
    for (int i = 1; i < 3; i++)
        if (region.loops[i].count > region.loops[longest].count) longest = i;
    const Loop &loop = region.loops[longest];
    long number = threads > 1 ? std::min(4L * threads, std::max(1L, loop.count / 8)) : 1;
    for (long i = 0; i < number; i++) {
        long first = loop.count * i / number, last = loop.count * (i + 1) / number;
        Part part{&region, &panel, {region.loops[0], region.loops[1], region.loops[2]},
                  first * loop.in, region.out + first * loop.out};
        part.loops[longest].count = last - first;
        parts.push_back(part);
    }
}

// Multiply all regions: c = a * b, plus `add` (which may be c). `b` holds the packed panels.
template <typename T>
void multiply(const T *a, const T *b, T *c, const T *add, const std::vector<Region> &regions,
              long rows, long columns, int threads) {
    auto panels = panels_of<T>(columns);
    std::vector<Part> parts;
    for (const Panel &panel : panels)
        for (const Region &region : regions) split(region, panel, threads, parts);
    parallel_for(threads, (long)parts.size(), [&](long i) {
        const Part &part = parts[i];
        const T *packed = b + part.panel->first * rows;
        with_panel<T>(*part.panel, PartProduct<T>{a, packed, c, add, part});
    });
}

// Pack weights (out, taps, in) for a forward product: a panel holds, for each tap and input channel,
// the weights of its output channels.
template <typename T> void pack_forward(const T *w, T *packed, const Geometry &g) {
    long rows = g.taps() * g.in;
    for (const Panel &p : panels_of<T>(g.out)) {
        T *to = packed + p.first * rows;
        for (long k0 = 0; k0 < rows; k0 += 16)
            for (int j = 0; j < p.width; j++)
                for (long k = k0; k < std::min(rows, k0 + 16); k++)
                    to[k * p.width + j] = w[(p.first + j) * rows + k];
    }
}

// Pack them for the gradient of the input: taps in reverse order, then output channels.
template <typename T> void pack_backward(const T *w, T *packed, const Geometry &g) {
    long rows = g.taps() * g.out;
    for (const Panel &p : panels_of<T>(g.in)) {
        T *to = packed + p.first * rows;
        for (long t = g.taps() - 1; t >= 0; t--)
            for (long n = 0; n < g.out; n++, to += p.width)
                std::memcpy(to, w + (n * g.taps() + t) * g.in + p.first, p.width * sizeof(T));
    }
}

// c = convolution of a by w, plus `add`. `scratch` has the size of w.
template <typename T>
void convolve(const T *a, const T *w, T *c, const T *add, T *scratch, const Geometry &g, int threads) {
    pack_forward(w, scratch, g);
    auto regions = regions_of(g.batch, forward_runs(g.n1, g.k1, g.s1, g.d1),
                              forward_runs(g.n2, g.k2, g.s2, g.d2), g.n1, g.n2, g.in, g.k2, g.o1(),
                              g.o2(), g.out);
    multiply(a, scratch, c, add, regions, g.taps() * g.in, g.out, threads);
}

// dx = gradient of the input of a convolution, plus `add` (which is null or dx).
template <typename T>
void input_gradient(const T *grad, const T *w, T *dx, const T *add, T *scratch, const Geometry &g,
                    int threads) {
    pack_backward(w, scratch, g);
    auto first = backward_runs(g.n1, g.k1, g.s1, g.d1), second = backward_runs(g.n2, g.k2, g.s2, g.d2);
    auto regions = regions_of(g.batch, first, second, g.o1(), g.o2(), g.out, g.k2, g.n1, g.n2, g.in);
    bool holes = has_holes(first, g.n1) || has_holes(second, g.n2);
    if (holes && !add) std::memset(dx, 0, sizeof(T) * g.batch * g.n1 * g.n2 * g.in);
    multiply(grad, scratch, dx, add, regions, g.taps() * g.out, g.in, threads);
}

// Add to M rows of the weight gradient the products of some cells.
template <typename T, int W, int NV, int M>
inline void outer_products(const T *a, const T *g, const Loop *l, T *c, long ldc) {
    using V = Vector<T, W>;
    V sum[M][NV];
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 4
        for (int v = 0; v < NV; v++) sum[m][v] = load<V>(c + m * ldc + v * W);
    const long step_a = l[2].in, step_g = l[2].out, cells = l[2].count;
    for (long j = 0; j < l[1].count; j++) {
        const T *ap = a + j * l[1].in, *gp = g + j * l[1].out;
        for (long i = 0; i < cells; i++, ap += step_a, gp += step_g) {
            V y[NV];
#pragma GCC unroll 4
            for (int v = 0; v < NV; v++) y[v] = load<V>(gp + v * W);
            __builtin_prefetch(ap + LINE_BYTES / sizeof(T));  // for the next rows of the weights
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) {
                T x = ap[m];
#pragma GCC unroll 4
                for (int v = 0; v < NV; v++) sum[m][v] += x * y[v];
            }
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 4
        for (int v = 0; v < NV; v++) store<V>(c + m * ldc + v * W, sum[m][v]);
}

constexpr long CELLS = 96; // cells whose products are added at a time: they stay in the first cache

template <typename T> struct WeightProduct {
    const T *a, *g;
    T *c;
    const std::vector<Region> &regions;
    long first, last; // rows of the weights
    template <int W, int NV> void run(const Panel &panel) {
        for (const Region &region : regions) {
            Loop l[3] = {region.loops[0], region.loops[1], region.loops[2]};
            // Split the innermost loop, or group steps of the middle one.
            long inner = std::min(l[2].count, CELLS);
            long middle = l[2].count > CELLS ? 1 : std::min(l[1].count, std::max(1L, CELLS / l[2].count));
            for (long i = 0; i < l[0].count; i++)
                for (long j = 0; j < l[1].count; j += middle)
                    for (long k = 0; k < l[2].count; k += inner) {
                        Loop part[3] = {{1, 0, 0}, l[1], l[2]};
                        part[1].count = std::min(middle, l[1].count - j);
                        part[2].count = std::min(inner, l[2].count - k);
                        long in = i * l[0].in + j * l[1].in + k * l[2].in;
                        long out = i * l[0].out + j * l[1].out + k * l[2].out;
                        request(g + region.out + out + panel.first, part, panel.width);
                        segments<W, NV>(region, part, a + in, g + region.out + out + panel.first, panel);
                    }
        }
    }
    // Request the cache lines of a part of the result's gradient.
    static void request(const T *from, const Loop *l, long width) {
        for (long j = 0; j < l[1].count; j++)
            for (long k = 0; k < l[2].count; k++)
                for (long i = 0; i < width; i += LINE_BYTES / (long)sizeof(T))
                    __builtin_prefetch(from + j * l[1].out + k * l[2].out + i);
    }
    template <int W, int NV>
    void segments(const Region &region, const Loop *l, const T *ap, const T *gp, const Panel &panel) {
        constexpr int M = tile_rows<NV>();
        for (const Segment &s : region.segments) {
            long from = std::max(first, s.row), to = std::min(last, s.row + s.length);
            if (from >= to) continue;
            long count = to - from, number = (count + M - 1) / M;
            long height = count / number, higher = count % number;
            const T *x = ap + s.in + (from - s.row);
            T *out = c + panel.first * rows + from * panel.width;
            for (long i = 0; i < number; i++) {
                long m = height + (i < higher);
                switch (m) {
#define CASE(R)                                                                                        \
    case R:                                                                                            \
        if constexpr (R <= M) outer_products<T, W, NV, R>(x, gp, l, out, panel.width);                 \
        break;
                    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
                }
                x += m, out += m * panel.width;
            }
        }
    }
    long rows;
};

// dw = gradient of weights (out, taps, in). `scratch` has the size of w.
template <typename T>
void weight_gradient(const T *grad, const T *a, T *dw, T *scratch, const Geometry &g, int threads) {
    long rows = g.taps() * g.in;
    std::memset(scratch, 0, sizeof(T) * rows * g.out);
    auto regions = regions_of(g.batch, forward_runs(g.n1, g.k1, g.s1, g.d1),
                              forward_runs(g.n2, g.k2, g.s2, g.d2), g.n1, g.n2, g.in, g.k2, g.o1(),
                              g.o2(), g.out);
    auto panels = panels_of<T>(g.out);
    long parts = threads > 1 ? std::max(1L, std::min(4L, rows / 24)) : 1;
    parallel_for(threads, (long)panels.size() * parts, [&](long i) {
        const Panel &panel = panels[i / parts];
        long part = i % parts;
        WeightProduct<T> product{a, grad, scratch, regions, rows * part / parts, rows * (part + 1) / parts, rows};
        with_panel<T>(panel, product);
    });
    for (const Panel &p : panels) {
        const T *from = scratch + p.first * rows;
        for (long k0 = 0; k0 < rows; k0 += 16)
            for (int j = 0; j < p.width; j++)
                for (long k = k0; k < std::min(rows, k0 + 16); k++)
                    dw[(p.first + j) * rows + k] = from[k * p.width + j];
    }
}
