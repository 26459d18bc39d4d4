#!/usr/bin/env bash
# What the gateway costs on the way, against nginx before the same upstream, in one run on one machine: requests a second and latency of a
# small answer, memory while a gigabyte goes up and down, memory of idle long polls. The gateway runs without huge pages, as docs/gateway.md advises.
#
#   tests/load/gateway.sh [seconds] [connections]
#
# The proxy has core 0; the upstream (another nginx) and the load share core 1. Needs nginx, wrk, curl, python3 and taskset.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-3} connections=${2:-64} rounds=3
for tool in nginx wrk curl python3 taskset; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: install it (on Debian: the package of that name, or util-linux)" >&2; exit 2; }
done
# MATRIX_2FA may name a program that is built already.
program=${MATRIX_2FA:-target/release/matrix-2fa}
[ -n "${MATRIX_2FA:-}" ] || cargo build --quiet --release -p matrix-2fa-cli
work=$(mktemp -d) pids=()
stop() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$work"; }
trap stop EXIT
stub=$((20000 + RANDOM % 10000)) proxy=$((stub + 1)) sink=$((stub + 2))
path=/_matrix/client/v3/pushrules/

# nginx CORE NAME SERVER
start_nginx() {
  mkdir -p "$work/$2"
  cat >"$work/$2.conf" <<END
daemon off; master_process off; worker_processes 1; pid $work/$2/pid; error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; client_body_temp_path $work/$2/body; proxy_temp_path $work/$2/proxy;
  fastcgi_temp_path $work/$2/a; uwsgi_temp_path $work/$2/b; scgi_temp_path $work/$2/c;
  upstream behind { server 127.0.0.1:$stub; keepalive 256; keepalive_requests 1000000000; }
  server { $3 }
}
END
  taskset -c "$1" nginx -p "$work/$2" -c "$work/$2.conf" & pids+=($!)
}
truncate -s 1G "$work/big"
start_nginx 1 stub "listen 127.0.0.1:$stub backlog=4096; default_type application/json;
  location = /big { alias $work/big; } location /_matrix/media/ { alias $work/; } location / { return 200 '{\"global\":{\"override\":[],\"content\":[],\"room\":[],\"sender\":[],\"underride\":[]}}'; }"
start_nginx 0 proxy "listen 127.0.0.1:$proxy backlog=4096;
  location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host \$host; proxy_set_header X-Forwarded-For \$remote_addr; proxy_set_header X-Forwarded-Proto \$scheme; }"

# gateway NAME UPSTREAM: starts one on core 0; its process is $gateway, its address $url.
start_gateway() {
  mkfifo "$work/$1.out"
  MIMALLOC_ALLOW_THP=0 taskset -c 0 "$program" gateway --listen 127.0.0.1:0 --server-name example.org --upstream "$2" \
    --data "$work/$1" --trusted-proxies none --log error >"$work/$1.out" & gateway=$!; pids+=("$gateway")
  read -r line <"$work/$1.out"; url=${line##* }
}
memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$gateway/status"; }
# load URL CONNECTIONS: "requests/s p50_us"
load() {
  taskset -c 1 wrk -t1 -c"$2" -d"${seconds}s" --latency "$1$path" >"$work/wrk"
  ! grep -q "Non-2xx\|Socket errors" "$work/wrk" || { cat "$work/wrk" >&2; exit 1; }
  awk '/Requests\/sec/ { rate = $2 } / 50%/ { p = $2; us = p + 0; if (p ~ /ms$/) us *= 1000; else if (p ~ /[0-9]s$/) us *= 1000000 } END { print rate, us }' "$work/wrk"
}
median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

start_gateway small "http://127.0.0.1:$stub"; small=$url
until curl -sf "http://127.0.0.1:$proxy$path" >/dev/null && curl -sf "$small$path" >/dev/null; do :; done
for round in $(seq "$rounds"); do
  for who in direct nginx gateway; do
    case $who in direct) to=http://127.0.0.1:$stub ;; nginx) to=http://127.0.0.1:$proxy ;; gateway) to=$small ;; esac
    load "$to" "$connections" >>"$work/$who.many"; load "$to" 1 >>"$work/$who.one"
  done
done
printf '%-10s %16s %10s %14s %10s\n' "" "requests/s c=$connections" "p50 us" "requests/s c=1" "p50 us"
for who in direct nginx gateway; do
  for what in many one; do
    for column in 1 2; do cut -d' ' -f$column "$work/$who.$what" | median >"$work/$who.$what.$column"; done
  done
  printf '%-10s %16s %10s %14s %10s\n' $who "$(cat "$work/$who.many.1")" "$(cat "$work/$who.many.2")" "$(cat "$work/$who.one.1")" "$(cat "$work/$who.one.2")"
done
awk -v g="$(cat "$work/gateway.many.1")" -v n="$(cat "$work/nginx.many.1")" 'BEGIN { printf "gateway / nginx at c='"$connections"': %.2f\n", g / n }'
awk -v g="$(cat "$work/gateway.one.2")" -v d="$(cat "$work/direct.one.2")" 'BEGIN { printf "added p50 at c=1: %.3f ms\n", (g - d) / 1000 }'

echo 5 >"/proc/$gateway/clear_refs"
curl -sf "$small/_matrix/media/v3/../v3/big" --path-as-is -o /dev/null && { echo "dot segments passed" >&2; exit 1; }
curl -sf "$small/_matrix/media/big" -o /dev/null; echo "1 GiB down: peak $(memory VmHWM) KiB"
kill "$gateway"; wait "$gateway" || true

taskset -c 1 python3 tests/load/upstream.py serve $sink & pids+=($!)
until curl -sf "http://127.0.0.1:$sink/waiting" >/dev/null; do :; done
start_gateway large "http://127.0.0.1:$sink"
got=$(curl -sf -T "$work/big" -H 'Expect:' -X POST "$url/_matrix/media/v3/upload"); echo "1 GiB up: peak $(memory VmHWM) KiB"
[ "$got" = $((1 << 30)) ] || { echo "the upstream got $got bytes" >&2; exit 1; }
kill "$gateway"; wait "$gateway" || true

start_gateway polls "http://127.0.0.1:$sink"
curl -sf "$url/_matrix/media/v3/config" >/dev/null
before=$(memory VmRSS)
mkfifo "$work/hold"; exec 5<>"$work/hold"
python3 tests/load/upstream.py polls "$url" 1000 <"$work/hold" >/dev/null & pids+=($!)
until [ "$(curl -sf "http://127.0.0.1:$sink/waiting")" -ge 1000 ]; do :; done
after=$(memory VmRSS)
echo "1,000 idle long polls: $(( (after - before) * 1024 / 1000 )) bytes each"
