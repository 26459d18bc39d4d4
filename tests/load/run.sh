#!/usr/bin/env bash
# Durable verifications a second, as ratios against a bare JSON echo and against the store alone, in one run on one machine.
#
#   tests/load/run.sh [users] [seconds] [connections]
#
# The server has core 0, the load core 1. Needs wrk and taskset (Debian: wrk, util-linux). Every body is good for one login, so there must
# be more users than the server can log in in the given time; the script says so if there were not.
set -euo pipefail
cd "$(dirname "$0")/../.."
users=${1:-150000} seconds=${2:-4} connections=${3:-64}
command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 2; }
cargo build --quiet --release -p matrix-2fa-conformance --example load
load=target/release/examples/load
work=$(mktemp -d)
mkfifo "$work/in" "$work/out"
server=
stop() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; fi; }
trap 'stop; rm -rf "$work"' EXIT

# start MODE...: runs it, waits for its first line (it has made its users then), and gives it core 0 alone.
start() {
  rm -rf "$work/data"
  "$load" "$@" <"$work/in" >"$work/out" & server=$!
  exec 4>"$work/in" 3<"$work/out"
  read -r url <&3
  taskset -a -cp 0 "$server" >/dev/null
}
# fire: one wrk run on core 1: "requests/s p50_ms p99_ms requests bad". Every answer must have been a login.
fire() {
  taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" -s tests/load/login.lua "$url" -- "$work/bodies" | tail -n 1 >"$work/result"
  stop
  read -r _ _ _ requests bad <"$work/result"
  [ "$bad" = 0 ] || { echo "$1: $bad of $requests answers were no logins: more users are needed" >&2; exit 1; }
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

start store "$work/data" "$users" "$work/bodies"; echo >&4; read -r alone <&3; stop
start echo; fire echo; echo_result=$(cat "$work/result")
start verify "$work/data" "$users" "$work/bodies"; fire verify; verify_result=$(cat "$work/result")
start login "$work/data" "$users" "$work/bodies"; fire login; login_result=$(cat "$work/result")

read -r e e50 e99 _ <<<"$echo_result"; read -r v v50 v99 _ <<<"$verify_result"; read -r l l50 l99 _ <<<"$login_result"
printf '%-46s %10s %9s %9s %8s\n' "at concurrency $connections" "a second" "p50 ms" "p99 ms" "of echo"
printf '%-46s %10s %9s %9s %8s\n' "bare JSON echo" "$e" "$e50" "$e99" 1.00
printf '%-46s %10s %9s %9s %8s\n' "durable verification" "$v" "$v50" "$v99" "$(ratio "$v" "$e")"
printf '%-46s %10s %9s %9s %8s\n' "whole second request, with device and token" "$l" "$l50" "$l99" "$(ratio "$l" "$e")"
printf '%-46s %10s %9s %9s %8s\n' "the store alone" "$alone" - - "$(ratio "$alone" "$e")"
echo "durable verification / the store alone: $(ratio "$v" "$alone")"
