"""Native kernels for CPUs: C++ sources, and the library that each machine compiles from them."""
