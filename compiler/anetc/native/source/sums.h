// Sums of tensors times their gates, sums of two tensors, and max pools, with their gradients.
#pragma once

#include "vectors.h"

constexpr long BLOCK = 4096; // numbers that stay in the first cache

template <typename F> void each_block(int threads, long count, F &&f) {
    parallel_for(threads, (count + BLOCK - 1) / BLOCK,
                 [&](long i) { f(i * BLOCK, std::min(BLOCK, count - i * BLOCK)); });
}

template <typename T> T gate_of(const T *weights, long position) {
    return (T)(1 / (1 + std::exp(-(double)weights[position])));
}

// y = gate * x, plus y if `add`; then the same for the second x if there is one.
template <typename T>
void gated(const T *x, const T *second, const T *weights, long at, long second_at, T *y, long count,
           bool add, int threads) {
    T gate = gate_of(weights, at), other = second ? gate_of(weights, second_at) : 0;
    each_block(threads, count, [&](long first, long n) {
        const T *a = x + first, *b = second ? second + first : nullptr;
        T *out = y + first;
        if (b && add)
#pragma GCC ivdep
            for (long i = 0; i < n; i++) out[i] += gate * a[i] + other * b[i];
        else if (b)
#pragma GCC ivdep
            for (long i = 0; i < n; i++) out[i] = gate * a[i] + other * b[i];
        else if (add)
#pragma GCC ivdep
            for (long i = 0; i < n; i++) out[i] += gate * a[i];
        else
#pragma GCC ivdep
            for (long i = 0; i < n; i++) out[i] = gate * a[i];
    });
}

// dw[at] = gradient of the edge weight; dx = gate * grad, plus dx if `add`. Either may be null.
template <typename T>
void gated_backward(const T *grad, const T *x, const T *weights, long at, T *dw, T *dx, long count,
                    bool add, int threads) {
    using V = Vector<T, LANES<T>>;
    T gate = gate_of(weights, at);
    std::vector<double> parts((count + BLOCK - 1) / BLOCK);
    each_block(threads, count, [&](long first, long n) {
        const T *g = grad + first, *a = x + first;
        if (dw) {
            V sums[4] = {};
            constexpr int lanes = LANES<T>;
            long i = 0;
            for (; i + 4 * lanes <= n; i += 4 * lanes)
#pragma GCC unroll 4
                for (int v = 0; v < 4; v++)
                    sums[v] += load<V>(g + i + v * lanes) * load<V>(a + i + v * lanes);
            double total = 0;
            for (int v = 0; v < 4; v++)
                for (int j = 0; j < lanes; j++) total += sums[v][j];
            for (; i < n; i++) total += (double)g[i] * a[i];
            parts[first / BLOCK] = total;
        }
        if (dx && add)
#pragma GCC ivdep
            for (long i = 0; i < n; i++) dx[first + i] += gate * g[i];
        else if (dx)
#pragma GCC ivdep
            for (long i = 0; i < n; i++) dx[first + i] = gate * g[i];
    });
    if (!dw) return;
    double total = 0;
    for (double part : parts) total += part;
    double exact = 1 / (1 + std::exp(-(double)weights[at]));
    dw[at] = (T)(total * exact * (1 - exact));
}

// y = a + b; y may be one of them.
template <typename T> void add(const T *a, const T *b, T *y, long count, int threads) {
    each_block(threads, count, [&](long first, long n) {
#pragma GCC ivdep
        for (long i = first; i < first + n; i++) y[i] = a[i] + b[i];
    });
}

struct Pool {
    long batch, height, width, channels, size, stride, pad_height, pad_width, out_height, out_width;
};

// Call f.run<W, NV>(panel) with one vector at a time.
template <typename T, typename F> void each_vector(long channels, F &&f) {
    for (const Panel &panel : panels_of<T>(channels))
        for (int v = 0; v < panel.vectors; v++) {
            Panel one{panel.first + v * panel.lanes, panel.lanes, panel.lanes, 1};
            with_panel<T>(one, f);
        }
}

template <typename T> struct PoolForward {
    const Pool &p;
    long frame;
    const T *x, *scale, *shift; // scale and shift are null without a normalisation
    T *y;
    uint8_t *indices;
    bool relu;
    template <int W, int NV> void run(const Panel &panel) {
        using V = Vector<T, W>;
        V s = scale ? load<V>(scale + panel.first) : V{}, h = shift ? load<V>(shift + panel.first) : V{};
        for (long oh = 0; oh < p.out_height; oh++)
            for (long ow = 0; ow < p.out_width; ow++) {
                long top = oh * p.stride - p.pad_height, left = ow * p.stride - p.pad_width;
                bool any = false;
                V best{};
                auto at = load_index<W>();
                using I = decltype(at);
                for (long i = std::max(0L, -top); i < std::min(p.size, p.height - top); i++)
                    for (long j = std::max(0L, -left); j < std::min(p.size, p.width - left); j++) {
                        const T *from = x + (((frame * p.height + top + i) * p.width) + left + j) * p.channels;
                        V v = load<V>(from + panel.first);
                        if (scale) v = v * s + h;
                        I index = I{} + (decltype(+at_type<W>()))(i * p.size + j);
                        if (!any) best = v, at = index, any = true;
                        else {
                            auto larger = (v > best) | (v != v);
                            best = larger ? v : best;
                            at = larger ? index : at;
                        }
                    }
                long to = ((frame * p.out_height + oh) * p.out_width + ow) * p.channels + panel.first;
                if (relu) best = best < V{} ? V{} : best;
                store<V>(y + to, best);
                write<W>(indices + to, at);
            }
    }
    using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    template <int W> static Int at_type() { return 0; }
    template <int W> static Vector<Int, W> load_index() { return Vector<Int, W>{}; }
    template <int W> static void write(uint8_t *to, Vector<Int, W> at) {
        if constexpr (W == 1) *to = (uint8_t)at;
        else
            for (int i = 0; i < W; i++) to[i] = (uint8_t)at[i];
    }
};

// Gradient of the input: each cell adds up the gradients of the windows whose maximum it is.
template <typename T> struct PoolBackward {
    const Pool &p;
    long frame;
    const T *grad;
    const uint8_t *indices;
    const T *result; // null unless a ReLU follows
    T *dx;
    bool add;
    template <int W, int NV> void run(const Panel &panel) {
        using V = Vector<T, W>;
        using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
        using I = Vector<Int, W>;
        for (long ih = 0; ih < p.height; ih++)
            for (long iw = 0; iw < p.width; iw++) {
                long to = ((frame * p.height + ih) * p.width + iw) * p.channels + panel.first;
                V sum = add ? load<V>(dx + to) : V{};
                for (long i = (ih + p.pad_height) % p.stride; i < p.size; i += p.stride) {
                    long oh = (ih + p.pad_height - i) / p.stride;
                    if (ih + p.pad_height < i || oh >= p.out_height) continue;
                    for (long j = (iw + p.pad_width) % p.stride; j < p.size; j += p.stride) {
                        long ow = (iw + p.pad_width - j) / p.stride;
                        if (iw + p.pad_width < j || ow >= p.out_width) continue;
                        long from = ((frame * p.out_height + oh) * p.out_width + ow) * p.channels + panel.first;
                        Int own = (Int)(i * p.size + j);
                        V g = load<V>(grad + from);
                        if (result) g = load<V>(result + from) > V{} ? g : V{};
                        I at;
                        if constexpr (W == 1) at = indices[from];
                        else
                            for (int k = 0; k < W; k++) at[k] = indices[from + k];
                        sum += at == (I{} + own) ? g : V{};
                    }
                }
                store<V>(dx + to, sum);
            }
    }
};

template <typename T>
void pool(const Pool &p, const T *x, const T *scale, const T *shift, T *y, uint8_t *indices, bool relu,
          int threads) {
    parallel_for(threads, p.batch, [&](long frame) {
        each_vector<T>(p.channels, PoolForward<T>{p, frame, x, scale, shift, y, indices, relu});
    });
}

template <typename T>
void pool_backward(const Pool &p, const T *grad, const uint8_t *indices, const T *result, T *dx, bool add,
                   int threads) {
    parallel_for(threads, p.batch, [&](long frame) {
        each_vector<T>(p.channels, PoolBackward<T>{p, frame, grad, indices, result, dx, add});
    });
}
