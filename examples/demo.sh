#!/bin/sh
# The paper's network (Table 4) from text to predictions, on the clip that ships. Run by `make demo`.
set -eu
out=demo
mkdir -p "$out"

say() {
  printf '\n\033[1m$ %s\033[0m\n' "$*"
  "$@"
}

say anetc check examples/assemblenet.anet
say anetc stats examples/assemblenet.anet --frames 32 --size 224
say anetc render examples/asn50.anet --weights -o "$out/asn50.svg"
say anetc render examples/assemblenet.anet -o "$out/assemblenet.png"
say anetc run examples/assemblenet.anet --video tests/data/city_cc0.mp4 --size 128 --frames 16 --top 5
printf '\nThe pictures are %s and %s.\n' "$out/asn50.svg" "$out/assemblenet.png"
