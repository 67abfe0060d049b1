// Batch normalisation with its ReLU and sum, and the gradients. Tensors are (rows, channels).
//
// Loops run over "wide rows": some rows of few channels are one row of at least 64 numbers.
#pragma once

#include "vectors.h"

// Numbers per channel, repeated over a wide row.
template <typename T> struct Wide {
    long width, rows; // numbers in a wide row, and number of wide rows; some rows may remain
    long channels, total;
    Wide(long all, long c) : channels(c), total(all * c) {
        long tiles = 1, lanes = LANES<T>;
        while (c * tiles % lanes || c * tiles < 64) tiles++;
        width = c * tiles, rows = all / tiles;
    }
    std::vector<T> repeat(const double *values) const {
        std::vector<T> wide(width);
        for (long i = 0; i < width; i++) wide[i] = (T)values[i % channels];
        return wide;
    }
    // Call f(first, columns) for all numbers, in parts of at most one wide row.
    template <typename F> void each_row(int threads, F &&f) const {
        long step = std::max(1L, 8192 / width), parts = (rows + step - 1) / step;
        parallel_for(threads, parts, [&](long part) {
            for (long r = part * step; r < std::min(rows, (part + 1) * step); r++) f(r * width, width);
        });
        if (rows * width < total) f(rows * width, total - rows * width);
    }
};

// Add up two terms per channel: f(V, position, column, &first, &second) computes them for a vector.
// Parts of fixed size are summed in double precision, so that the threads do not change the result.
template <typename T, typename F>
void channel_sums(const Wide<T> &wide, int threads, double *first, double *second, F &&f) {
    using V = Vector<T, LANES<T>>;
    constexpr int lanes = LANES<T>;
    long step = std::max(1L, 16384 / wide.width), parts = std::max(1L, (wide.rows + step - 1) / step);
    std::vector<double> sums(parts * 2 * wide.channels);
    parallel_for(threads, parts, [&](long part) {
        double *own = &sums[part * 2 * wide.channels];
        long from = part * step, to = std::min(wide.rows, from + step);
        auto add = [&](long column, T a, T b) {
            long channel = column % wide.channels;
            own[channel] += a, own[wide.channels + channel] += b;
        };
        long column = 0;
        for (; column + 4 * lanes <= wide.width; column += 4 * lanes) {
            V a[4] = {}, b[4] = {};
            for (long r = from; r < to; r++)
#pragma GCC unroll 4
                for (int v = 0; v < 4; v++) {
                    long c = column + v * lanes;
                    V x, y;
                    f((V *)nullptr, r * wide.width + c, c, x, y);
                    a[v] += x, b[v] += y;
                }
            for (int v = 0; v < 4; v++)
                for (int i = 0; i < lanes; i++) add(column + v * lanes + i, a[v][i], b[v][i]);
        }
        for (; column < wide.width; column += lanes) {
            V a = {}, b = {};
            for (long r = from; r < to; r++) {
                V x, y;
                f((V *)nullptr, r * wide.width + column, column, x, y);
                a += x, b += y;
            }
            for (int i = 0; i < lanes; i++) add(column + i, a[i], b[i]);
        }
        if (part == parts - 1)
            for (long i = wide.rows * wide.width; i < wide.total; i++) {
                T x, y;
                long c = i - wide.rows * wide.width;
                f((T *)nullptr, i, c, x, y);
                add(c, x, y);
            }
    });
    for (long c = 0; c < wide.channels; c++) {
        first[c] = second[c] = 0;
        for (long part = 0; part < parts; part++) {
            first[c] += sums[part * 2 * wide.channels + c];
            second[c] += sums[(part * 2 + 1) * wide.channels + c];
        }
    }
}

struct NormSettings {
    double epsilon, momentum, batch; // batch: 1 for the batch's statistics, 0 for running averages
};

// Compute the statistics that a normalisation uses, and update the running averages.
template <typename T>
void statistics(const T *x, T *mean, T *variance, T *average, T *spread, long rows, long channels,
                const NormSettings &norm, bool update, int threads) {
    if (!norm.batch) {
        std::copy(average, average + channels, mean);
        std::copy(spread, spread + channels, variance);
        return;
    }
    Wide<T> wide(rows, channels);
    // Numbers are summed relative to a value near the mean: the variance then loses no digits.
    std::vector<double> pivot(channels), first(channels), second(channels);
    long sample = std::min(rows, 32L);
    for (long r = 0; r < sample; r++)
        for (long c = 0; c < channels; c++) pivot[c] += (double)x[r * channels + c] / sample;
    std::vector<T> near = wide.repeat(pivot.data());
    channel_sums(wide, threads, first.data(), second.data(),
                 [&](auto *type, long i, long c, auto &a, auto &b) {
                     using V = std::remove_pointer_t<decltype(type)>;
                     a = load<V>(x + i) - load<V>(&near[c]);
                     b = a * a;
                 });
    for (long c = 0; c < channels; c++) {
        double shift = first[c] / rows, of_mean = (double)near[c] + shift;
        double of_variance = std::max(0.0, second[c] / rows - shift * shift);
        if (!(second[c] == second[c])) of_variance = second[c];
        mean[c] = (T)of_mean, variance[c] = (T)of_variance;
        if (update) {
            average[c] += (T)(norm.momentum * (of_mean - average[c]));
            double unbiased = of_variance * ((double)rows / (rows - 1));
            spread[c] += (T)(norm.momentum * (unbiased - spread[c]));
        }
    }
}

// The factor and summand of each channel.
template <typename T> struct Affine {
    std::vector<T> scale, shift;
    Affine(const Wide<T> &wide, const T *weight, const T *bias, const T *mean, const T *variance,
           double epsilon) {
        std::vector<double> s(wide.channels), h(wide.channels);
        for (long c = 0; c < wide.channels; c++) {
            s[c] = weight[c] / std::sqrt(variance[c] + epsilon);
            h[c] = bias[c] - mean[c] * s[c];
        }
        scale = wide.repeat(s.data()), shift = wide.repeat(h.data());
    }
};

// y = the normalised x, plus `add` if given, then a ReLU if wanted.
template <typename T>
void normalise(const T *x, const T *weight, const T *bias, const T *mean, const T *variance,
               const T *add, T *y, long rows, long channels, double epsilon, bool relu, int threads) {
    Wide<T> wide(rows, channels);
    Affine<T> affine(wide, weight, bias, mean, variance, epsilon);
    const T *s = affine.scale.data(), *h = affine.shift.data();
    wide.each_row(threads, [&](long first, long count) {
        const T *a = x + first, *b = add ? add + first : nullptr;
        T *out = y + first;
        // A comparison that is false for NaN keeps NaN.
        if (b && relu)
#pragma GCC ivdep
            for (long i = 0; i < count; i++) {
                T v = a[i] * s[i] + h[i] + b[i];
                out[i] = v < 0 ? 0 : v;
            }
        else if (b)
#pragma GCC ivdep
            for (long i = 0; i < count; i++) out[i] = a[i] * s[i] + h[i] + b[i];
        else if (relu)
#pragma GCC ivdep
            for (long i = 0; i < count; i++) {
                T v = a[i] * s[i] + h[i];
                out[i] = v < 0 ? 0 : v;
            }
        else
#pragma GCC ivdep
            for (long i = 0; i < count; i++) out[i] = a[i] * s[i] + h[i];
    });
}

enum Mask { NO_MASK, OWN_MASK, RESULT_MASK };

// Gradients of a normalisation. OWN_MASK: a ReLU follows, and its mask is computed from x.
// RESULT_MASK: `result` is the result of a sum and a ReLU that follow. `masked`, if given, gets the
// gradient of that sum. dx may be `grad`, or null if it is not wanted.
template <typename T>
void normalise_backward(const T *grad, const T *x, const T *weight, const T *bias, const T *mean,
                        const T *variance, const T *result, T *dx, T *dweight, T *dbias, T *masked,
                        long rows, long channels, const NormSettings &norm, Mask mask, int threads) {
    Wide<T> wide(rows, channels);
    Affine<T> affine(wide, weight, bias, mean, variance, norm.epsilon);
    std::vector<double> mean_(mean, mean + channels), of_bias(channels), of_weight(channels);
    std::vector<T> centre = wide.repeat(mean_.data());
    const T *s = affine.scale.data(), *h = affine.shift.data(), *m = centre.data();
    auto sums = [&](auto choose) {
        channel_sums(wide, threads, of_bias.data(), of_weight.data(),
                     [&](auto *type, long i, long c, auto &a, auto &b) {
                         using V = std::remove_pointer_t<decltype(type)>;
                         V input = load<V>(x + i), g = load<V>(grad + i), zero = V{};
                         if constexpr (choose() == OWN_MASK)
                             g = input * load<V>(s + c) + load<V>(h + c) > zero ? g : zero;
                         if constexpr (choose() == RESULT_MASK) g = load<V>(result + i) > zero ? g : zero;
                         a = g;
                         b = g * (input - load<V>(m + c));
                     });
    };
    using std::integral_constant;
    if (mask == NO_MASK) sums(integral_constant<Mask, NO_MASK>{});
    if (mask == OWN_MASK) sums(integral_constant<Mask, OWN_MASK>{});
    if (mask == RESULT_MASK) sums(integral_constant<Mask, RESULT_MASK>{});
    std::vector<double> a(channels), b(channels), d(channels);
    for (long c = 0; c < channels; c++) {
        double inverse = 1 / std::sqrt(variance[c] + norm.epsilon);
        of_weight[c] *= inverse;
        if (dweight) dweight[c] = (T)of_weight[c], dbias[c] = (T)of_bias[c];
        a[c] = inverse * weight[c];
        if (norm.batch) {
            b[c] = -a[c] * inverse * of_weight[c] / rows;
            d[c] = -a[c] * of_bias[c] / rows - b[c] * mean[c];
        }
    }
    if (!dx && !masked) return;
    std::vector<T> wa = wide.repeat(a.data()), wb = wide.repeat(b.data()), wd = wide.repeat(d.data());
    const T *pa = wa.data(), *pb = wb.data(), *pd = wd.data();
    wide.each_row(threads, [&](long first, long count) {
        const T *g = grad + first, *in = x + first, *r = result ? result + first : nullptr;
        T *out = dx ? dx + first : nullptr, *copy = masked ? masked + first : nullptr;
        auto value = [&](long i) -> T {
            if (mask == OWN_MASK) return in[i] * s[i] + h[i] > 0 ? g[i] : 0;
            return mask == RESULT_MASK ? (r[i] > 0 ? g[i] : 0) : g[i];
        };
        if (mask == OWN_MASK && !copy) {
#pragma GCC ivdep
            for (long i = 0; i < count; i++)
                out[i] = pa[i] * (in[i] * s[i] + h[i] > 0 ? g[i] : 0) + (pb[i] * in[i] + pd[i]);
        } else if (mask == RESULT_MASK && copy && out) {
#pragma GCC ivdep
            for (long i = 0; i < count; i++) {
                T v = r[i] > 0 ? g[i] : 0;
                T input = in[i];
                copy[i] = v;
                out[i] = pa[i] * v + (pb[i] * input + pd[i]);
            }
        } else if (mask == NO_MASK && !copy) {
#pragma GCC ivdep
            for (long i = 0; i < count; i++) out[i] = pa[i] * g[i] + (pb[i] * in[i] + pd[i]);
        } else {
#pragma GCC ivdep
            for (long i = 0; i < count; i++) {
                T v = value(i), input = in[i];
                if (copy) copy[i] = v;
                if (out) out[i] = pa[i] * v + (pb[i] * input + pd[i]);
            }
        }
    });
}
