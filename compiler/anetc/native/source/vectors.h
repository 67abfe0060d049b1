// Vector types, the split of channels into panels, and loops over several threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#ifndef _OPENMP
#include <atomic>
#include <system_error>
#include <thread>
#endif

static_assert(sizeof(long) == 8, "sizes of tensors are long");

#ifdef __AVX512F__
constexpr int VECTOR_BYTES = 64, PANEL_VECTORS = 4;
#elif defined(__AVX__)
constexpr int VECTOR_BYTES = 32, PANEL_VECTORS = 2;
#else
constexpr int VECTOR_BYTES = 16, PANEL_VECTORS = 4;
#endif

// A vector of W numbers that may be loaded from any address; for W = 1, a number.
template <typename T, int W> struct VectorOf {
    typedef T type __attribute__((vector_size(W * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <typename T> struct VectorOf<T, 1> {
    typedef T type __attribute__((may_alias));
};
template <typename T, int W> using Vector = typename VectorOf<T, W>::type;

// Numbers in a full vector.
template <typename T> constexpr int LANES = VECTOR_BYTES / sizeof(T);

template <typename V, typename T> inline V load(const T *p) { return *reinterpret_cast<const V *>(p); }
template <typename V, typename T> inline void store(T *p, V v) { *reinterpret_cast<V *>(p) = v; }

// Channels [first, first + width) as `vectors` vectors of `lanes` numbers.
struct Panel {
    long first;
    int width, lanes, vectors;
};

// Split `channels` into panels: of up to PANEL_VECTORS full vectors, then of a half vector, a quarter
// vector and single numbers. No panel reads or writes beyond the last channel.
template <typename T> std::vector<Panel> panels_of(long channels) {
    std::vector<Panel> panels;
    constexpr int full = LANES<T>;
    long first = 0;
    auto add = [&](int lanes, int vectors) {
        panels.push_back({first, lanes * vectors, lanes, vectors});
        first += lanes * vectors;
    };
    while (channels - first >= full)
        add(full, (int)std::min<long>((channels - first) / full, PANEL_VECTORS));
    for (int lanes = full / 2; lanes >= 1; lanes = lanes >= 4 ? lanes / 2 : 1) {
        if (lanes > 1 && full / lanes > 4) lanes = 1;
        while (channels - first >= lanes) add(lanes, 1);
        if (lanes == 1) break;
    }
    return panels;
}

// Call `f.run<W, NV>(panel)` with the lanes and vectors of a panel as constants.
template <typename T, typename F> void with_panel(const Panel &panel, F &&f) {
    constexpr int full = LANES<T>;
    if (panel.lanes == full) {
        switch (panel.vectors) {
#if !defined(__AVX__) || defined(__AVX512F__)
        case 4: return f.template run<full, 4>(panel);
        case 3: return f.template run<full, 3>(panel);
#endif
        case 2: return f.template run<full, 2>(panel);
        default: return f.template run<full, 1>(panel);
        }
    }
    if constexpr (full >= 4) {
        if (panel.lanes == full / 2) return f.template run<full / 2, 1>(panel);
    }
    if constexpr (full >= 8) {
        if (panel.lanes == full / 4) return f.template run<full / 4, 1>(panel);
    }
    f.template run<1, 1>(panel);
}

// Call f(i) for each i in [0, count). No result may depend on the order. Without OpenMP, threads are
// started for each loop.
template <typename F> void parallel_for(int threads, long count, F &&f) {
    if (threads <= 1 || count <= 1) {
        for (long i = 0; i < count; i++) f(i);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (long i = 0; i < count; i++) f(i);
#else
    std::atomic<long> next{0};
    auto work = [&] {
        for (long i = next++; i < count; i = next++) f(i);
    };
    std::vector<std::thread> others;
    others.reserve(threads);
    try {
        while ((long)others.size() + 1 < std::min<long>(threads, count)) others.emplace_back(work);
    } catch (const std::system_error &) { // there are too many threads: go on with fewer
    }
    work();
    for (std::thread &other : others) other.join();
#endif
}
