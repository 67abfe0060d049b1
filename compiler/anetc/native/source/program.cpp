// The interpreter of node programs. `anetc.engines.training.native_program` writes them.
//
// A program is a list of instructions of INSTRUCTION_SIZE integers: the operation, the numbers of its
// buffers (-1 for none), and its other arguments. `buffers` holds the address of each buffer.
#include "convolution.h"
#include "normalisation.h"
#include "sums.h"

namespace {

constexpr int BUFFERS = 12, ARGUMENTS = 14, INSTRUCTION_SIZE = 1 + BUFFERS + ARGUMENTS;

enum Operation {
    CONVOLVE,
    INPUT_GRADIENT,
    WEIGHT_GRADIENT,
    STATISTICS,
    NORMALISE,
    NORMALISE_BACKWARD,
    GATED,
    GATED_BACKWARD,
    POOL,
    POOL_BACKWARD,
    ADD,
    ZERO,
};

Geometry geometry_of(const int64_t *a) {
    return {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10]};
}

template <typename T>
void run(const int64_t *program, long count, void *const *buffers, const NormSettings *norms, int threads) {
    for (long i = 0; i < count; i++, program += INSTRUCTION_SIZE) {
        T *b[BUFFERS];
        for (int j = 0; j < BUFFERS; j++) {
            int64_t number = program[1 + j];
            b[j] = number < 0 ? nullptr : static_cast<T *>(buffers[number]);
        }
        const int64_t *a = program + 1 + BUFFERS;
        switch (static_cast<Operation>(program[0])) {
        case CONVOLVE: // x, w, y, add, scratch
            convolve<T>(b[0], b[1], b[2], b[3], b[4], geometry_of(a), threads);
            break;
        case INPUT_GRADIENT: // grad, w, dx, add, scratch
            input_gradient<T>(b[0], b[1], b[2], b[3], b[4], geometry_of(a), threads);
            break;
        case WEIGHT_GRADIENT: // grad, x, dw, scratch
            weight_gradient<T>(b[0], b[1], b[2], b[3], geometry_of(a), threads);
            break;
        case STATISTICS: // x, mean, variance, average, spread; rows, channels, norm, update
            statistics<T>(b[0], b[1], b[2], b[3], b[4], a[0], a[1], norms[a[2]], a[3], threads);
            break;
        case NORMALISE: // x, weight, bias, mean, variance, add, y; rows, channels, norm, relu
            normalise<T>(b[0], b[1], b[2], b[3], b[4], b[5], b[6], a[0], a[1], norms[a[2]].epsilon, a[3],
                         threads);
            break;
        case NORMALISE_BACKWARD:
            // grad, x, weight, bias, mean, variance, result, dx, dweight, dbias, masked;
            // rows, channels, norm, mask
            normalise_backward<T>(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], a[0],
                                  a[1], norms[a[2]], static_cast<Mask>(a[3]), threads);
            break;
        case GATED: // x, second, weights, y; position, second position, numbers, add
            gated<T>(b[0], b[1], b[2], a[0], a[1], b[3], a[2], a[3], threads);
            break;
        case GATED_BACKWARD: // grad, x, weights, dw, dx; position, numbers, add
            gated_backward<T>(b[0], b[1], b[2], a[0], b[3], b[4], a[1], a[2], threads);
            break;
        case POOL: { // x, y, indices, weight, bias, mean, variance; sizes, relu, norm
            Pool p{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]};
            auto *indices = reinterpret_cast<uint8_t *>(b[2]);
            if (!b[3]) {
                pool<T>(p, b[0], nullptr, nullptr, b[1], indices, a[10], threads);
                break;
            }
            Wide<T> wide(p.batch, p.channels);
            Affine<T> affine(wide, b[3], b[4], b[5], b[6], norms[a[11]].epsilon);
            pool<T>(p, b[0], affine.scale.data(), affine.shift.data(), b[1], indices, a[10], threads);
            break;
        }
        case POOL_BACKWARD: { // grad, indices, result, dx; sizes, add
            Pool p{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]};
            pool_backward<T>(p, b[0], reinterpret_cast<uint8_t *>(b[1]), b[2], b[3], a[10], threads);
            break;
        }
        case ADD: // a, b, y; numbers; without b, a copy
            if (!b[1]) std::memcpy(b[2], b[0], a[0] * sizeof(T));
            else add<T>(b[0], b[1], b[2], a[0], threads);
            break;
        case ZERO: // y; numbers
            std::memset(b[0], 0, a[0] * sizeof(T));
            break;
        }
    }
}

} // namespace

extern "C" {

int anetc_instruction_size() { return INSTRUCTION_SIZE; }

void anetc_run_float(const int64_t *program, int64_t count, void *const *buffers, const double *norms,
                     int threads) {
    run<float>(program, count, buffers, reinterpret_cast<const NormSettings *>(norms), threads);
}

void anetc_run_double(const int64_t *program, int64_t count, void *const *buffers, const double *norms,
                      int threads) {
    run<double>(program, count, buffers, reinterpret_cast<const NormSettings *>(norms), threads);
}
}
