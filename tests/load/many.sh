#!/usr/bin/env bash
# What administrators wait for with many users: the first page of `list`, all of it, an export, and `events verify` over an event for each; time
# and the most memory of each command. Over the embedded store, with no server running.
#
#   tests/load/many.sh [users]
set -euo pipefail
cd "$(dirname "$0")/../.."
users=${1:-1000000}
for need in /usr/bin/time age-keygen; do
  command -v "$need" >/dev/null || { echo "$need is missing: apt-get install time age" >&2; exit 2; }
done
# LOAD and SERVER may name tools that are built already.
[ -n "${LOAD:-}" ] || cargo build --quiet --release -p matrix-2fa-conformance --example load
[ -n "${SERVER:-}" ] || cargo build --quiet --release -p matrix-2fa-cli
load=${LOAD:-target/release/examples/load} server=${SERVER:-target/release/matrix-2fa}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure WHAT COMMAND...: what it takes.
measure() {
  local what=$1; shift
  MATRIX_2FA_EVENTS_OUT="$work/audit" /usr/bin/time -o "$work/took" -f '%e %M' "$@" --data "$work/data" >"$work/said" 2>"$work/told" ||
    { tail -n 3 "$work/told" >&2; exit 1; }
  read -r seconds kib <"$work/took"
  printf '%-40s %9.2f s %7d MiB\n' "$what" "$seconds" $((kib / 1024))
}

/usr/bin/time -f "made $users users in %e s" "$load" many "$work/data" "$users"
measure "keys check: the store opens, and every seal" "$server" keys check
measure "opening the store (list, nobody)" "$server" admin list --limit 1 --after '@v:localhost'
for _ in 1 2 3; do measure "list, the first page of 100" "$server" admin list --limit 100; done
measure "list, everybody" "$server" admin list
[ "$(grep -c '^@u' "$work/said")" = "$users" ]
measure "export" "$server" admin export "$work/export" --recipient "$(age-keygen 2>/dev/null | sed -n 's/.*public key: //p')"
measure "events verify" "$server" events verify "$work/audit"
cat "$work/said"
