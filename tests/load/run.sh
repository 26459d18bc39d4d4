#!/usr/bin/env bash
# Durable verifications a second, as ratios against a bare JSON echo and against the store alone, in one run on one machine.
#
#   tests/load/run.sh [users] [seconds] [connections]
set -euo pipefail
. "$(dirname "$0")/common.sh"

start store "$work/data" "$users" "$work/bodies"; echo >&4; read -r alone <&3; stop
start echo; fire echo
serve verify verify
serve login login

read -r echo _ <<<"$result_echo"; read -r verify _ <<<"$result_verify"
heading "of echo"
line "bare JSON echo" "$result_echo" "$echo"
line "durable verification" "$result_verify" "$echo"
line "whole second request, with device and token" "$result_login" "$echo"
line "the store alone" "$alone - -" "$echo"
echo "durable verification / the store alone: $(ratio "$verify" "$alone")"
