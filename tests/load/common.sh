# What run.sh and postgres.sh share. Sourced: it goes to the top of the repository, builds the tool and tidies up at the end.
#
# The server has core 0, the load core 1. Needs wrk and taskset (Debian: wrk, util-linux). Every body is good for one login, so there must
# be more users than the server can log in in the given time; the script says so if there were not.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
users=${1:-150000} seconds=${2:-4} connections=${3:-64}
command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 2; }
# LOAD may name a tool that is built already.
load=${LOAD:-target/release/examples/load}
[ -n "${LOAD:-}" ] || cargo build --quiet --release -p matrix-2fa-conformance --example load
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

# fire NAME: one wrk run on core 1 against what was started, into result_NAME: "requests/s p50_ms p99_ms requests bad". Every answer must
# have been a login.
fire() {
  taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" -s tests/load/login.lua "$url" -- "$work/bodies" | tail -n 1 >"$work/result"
  stop
  read -r _ _ _ requests bad <"$work/result"
  [ "$bad" = 0 ] || { echo "$1: $bad of $requests answers were no logins: more users are needed" >&2; exit 1; }
  declare -g "result_$1=$(cat "$work/result")"
}

# serve MODE NAME: starts MODE with fresh users and fires at it.
serve() { start "$1" "$work/data" "$users" "$work/bodies"; fire "$2"; }

# line WHAT RESULT BASE: a row of the table; BASE is the rate that counts as 1.
heading() { printf '%-46s %10s %9s %9s %8s\n' "at concurrency $connections" "a second" "p50 ms" "p99 ms" "$1"; }
line() {
  read -r rate p50 p99 _ <<<"$2"
  printf '%-46s %10s %9s %9s %8s\n' "$1" "$rate" "$p50" "$p99" "$(ratio "$rate" "$3")"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
