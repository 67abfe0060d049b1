#!/bin/sh
# Run the network of the paper, then a small search and its finals. Takes minutes on two cores. `make demo` runs it.
set -eu
out=demo
mkdir -p "$out"

say() {
  printf '\n\033[1m$ %s\033[0m\n' "$*"
  "$@"
}

printf 'Check the network of Table 4, count its cost, draw it, and run it on the clip of the repository.\n'
say anetc check examples/assemblenet.anet
say anetc stats examples/assemblenet.anet --frames 32 --size 224
say anetc render examples/asn50.anet --weights -o "$out/asn50.svg"
say anetc run examples/assemblenet.anet --video tests/media/city_cc0.mp4 --size 128 --frames 16 --top 5

printf '\nA small search, guided by learned connections, on generated data.\n'
rm -rf "$out/search"
say anetc evolve --data motion --preset small --candidates 12 --population 4 --iterations 120 --out "$out/search"

printf '\nCompare its best network with one that is made by hand, and train the winner fully.\n'
say anetc finals "$out/search" --networks 1 --seeds 2 --steps 60 --full-steps 120 --prune-below 0 \
  --beside examples/small_two_stream_late.anet --beside-modules search
say anetc report "$out/search" -o "$out/report.html"
say cat "$out/search/finals/winner.anet"
say anetc render "$out/search/finals/winner.anet" --weights -o "$out/winner.svg"

printf '\nOpen %s in a browser. The winner is %s; its picture is %s.\n' \
  "$out/report.html" "$out/search/finals/winner.anet" "$out/winner.svg"
