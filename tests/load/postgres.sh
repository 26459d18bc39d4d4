#!/usr/bin/env bash
# The same durable verifications over PostgreSQL: against the embedded store, and batched against one transaction a verification over a pool
# of 16, in one run on one machine.
#
#   tests/load/postgres.sh [users] [seconds] [connections]
#
# It starts a PostgreSQL of its own (Debian: postgresql), with fsync on, which may use both cores: its place is another machine, and it
# takes time of this one from the server and the load. So the figures are a lower bound of what a server with a database beside it does.
set -euo pipefail
. "$(dirname "$0")/common.sh"

mkfifo "$work/database"
"$load" database <"$work/database" >"$work/addresses" & database=$!
exec 5>"$work/database"
trap 'stop; exec 5>&-; wait "$database" || true; rm -rf "$work"' EXIT
# fresh: the address of an empty database.
fresh() {
  local before; before=$(wc -l <"$work/addresses")
  echo >&5
  while [ "$(wc -l <"$work/addresses")" = "$before" ]; do kill -0 "$database" || exit 1; sleep 0.1; done
  export LOAD_DATABASE; LOAD_DATABASE=$(tail -n 1 "$work/addresses")
}

serve verify sled
serve login sled_login
fresh; serve verify batched
fresh; serve login batched_login
export LOAD_LANES=16 LOAD_BATCH=1
fresh; serve verify single

read -r sled _ <<<"$result_sled"; read -r sled_login _ <<<"$result_sled_login"
read -r batched _ <<<"$result_batched"; read -r single _ <<<"$result_single"
heading "of sled"
line "durable verification, embedded store" "$result_sled" "$sled"
line "PostgreSQL, batched" "$result_batched" "$sled"
line "PostgreSQL, a transaction each, pool of 16" "$result_single" "$sled"
line "whole second request, embedded store" "$result_sled_login" "$sled_login"
line "whole second request, PostgreSQL" "$result_batched_login" "$sled_login"
echo "batched / a transaction each: $(ratio "$batched" "$single")"
