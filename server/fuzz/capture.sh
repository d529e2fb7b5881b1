#!/usr/bin/env bash
# Makes the saved inputs of the bodies anew: bytes of a stock redis-server 7.0 and of a real run of Damselfly.
#
#   cargo build -p damselfly-server && server/fuzz/capture.sh target/debug/damselfly
#
# Inputs that were added because they were faults (fault-*) stay.
set -euo pipefail
damselfly=$(realpath "${1:?the binary of damselfly}")
corpus=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/corpus
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
# INFO names the directory that a program was started in.
cd /
find "$corpus" -type f ! -name 'fault-*' -delete

port=$((20000 + RANDOM % 20000))

# start NAME PROGRAM ARGUMENT...: a server in a directory of its own, on the next port.
start() {
    local name=$1 program=$2
    shift 2
    port=$((port + 1))
    mkdir -p "$work/$name"
    "$program" "$@" --port $port --bind 127.0.0.1 --dir "$work/$name" --repl-diskless-sync-delay 0 >"$work/$name/log" 2>&1 &
    pids+=($!)
    until redis-cli -p $port ping >/dev/null 2>&1; do sleep 0.05; done
}

ask() { redis-cli -p "$@" >/dev/null; }

# Every type in every encoding, the small ones and the large ones.
fill() {
    local long
    long=$(printf 'abcdefgh%.0s' {1..40})
    redis-cli -p "$1" >/dev/null <<COMMANDS
SET text hello
SET int 1234567
SET small -5
SET wide 4294967296
SET long $long
SET bytes "\x00\xff\r\n\x80"
SET soon 1 PX 4000000000
SET late 2 PXAT 4102444800000
RPUSH list a b 3 -4 70000 $long
RPUSH one x
SADD ints 1 2 3 -7 70000 5000000000
SADD words a b c $long
HSET hash f1 v1 f2 2 f3 $long
HSET hash2 $long $long
ZADD zset 1 a 2.5 b -inf c inf d 3e10 e
ZADD zset2 1 $long
SETBIT bits 77 1
PFADD hll a b c
GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
SELECT 3
SET other db
SELECT 15
SET last db
COMMANDS
    eval "redis-cli -p $1 RPUSH biglist $(printf 'element:%s ' {1..400}) $long" >/dev/null
    eval "redis-cli -p $1 SADD bigset $(printf 'member:%s ' {1..200})" >/dev/null
    eval "redis-cli -p $1 SADD bigints $(printf '%s ' {1..600})" >/dev/null
    eval "redis-cli -p $1 HSET bighash $(printf 'field:%s value ' {1..200})" >/dev/null
    eval "redis-cli -p $1 ZADD bigzset $(printf '%s.5 member:%s ' {1..300})" >/dev/null
}

# Snapshots: as they are by default; plain, in small nodes; with everything in listpacks; a few keys each.
rdb=0
snapshot() {
    start rdb$((rdb += 1)) redis-server --save '' "$@"
    fill $port
    ask $port SAVE
    cp "$work/rdb$rdb/dump.rdb" "$corpus/rdb/stock-$rdb"
}
snapshot
snapshot --rdbcompression no --rdbchecksum no --list-max-listpack-size 5
snapshot --list-compress-depth 1 --hash-max-listpack-entries 1000 --zset-max-listpack-entries 1000
for key in text int long bytes soon list ints words hash zset hash2 zset2; do
    redis-cli -p $port --raw DUMP $key | head -c -1 | head -c -10 >"$corpus/rdb/value-$key"
done
# value-timed and value-timed2, whose fields have times, came the same way from redis-server 8.0.2.
start few redis-server --save ''
ask $port SET k v PX 4000000000
ask $port RPUSH l 1 2 three
ask $port SAVE
cp "$work/few/dump.rdb" "$corpus/rdb/stock-few"
cp "$corpus/../../tests/data/old-encodings.rdb" "$corpus/rdb/old-encodings"

# A master's answers and its stream, as a replica hears them.
start master redis-server --save '' --repl-ping-replica-period 1
master=$port
replica() { # replica FILE REQUEST...: what a connection that says this hears in two seconds
    local file=$1
    shift
    exec 3<>/dev/tcp/127.0.0.1/$master
    for request; do
        printf '%s\r\n' "$request" >&3
        sleep 0.1
    done
    timeout 2 cat <&3 >"$file" || true
    exec 3>&-
}
writes() {
    redis-cli -p $master >/dev/null <<'COMMANDS'
SET a 1
SELECT 2
INCRBY a 41
APPEND s xyz
SETRANGE s 5 abc
RPUSH l 1 2 3
LPOP l
LINSERT l BEFORE 3 x
LSET l 0 y
LTRIM l 0 1
RPOPLPUSH l m
SADD set a b c 1
SREM set a
SMOVE set set2 b
SINTERSTORE set3 set set2
HSET h f 1 g 2
HINCRBYFLOAT h f 1.5
HDEL h g
ZADD z 1 a 2 b 3 c
ZINCRBY z 5 a
ZREM z b
ZUNIONSTORE z2 1 z WEIGHTS 2
ZPOPMIN z
PEXPIREAT a 4102444800000
PERSIST a
SETEX e 4000000 v
GETEX e PX 100000000
SETBIT bits 9 1
BITOP NOT bits2 bits
COPY a copy DB 1
RENAME a b
MOVE b 4
MULTI
SET t 1
INCR t
EXPIRE t 4000000
EXEC
PUBLISH channel message
GETDEL s
MSET k1 v1 k2 v2
DEL k1 k2
FLUSHDB
SET again 1
SWAPDB 0 2
UNLINK again
FLUSHALL
SET end 1
COMMANDS
}
# (After a snapshot from the socket the stream begins with the replica's first word.)
( sleep 1.5; writes ) &
replica "$work/heard" 'PING' 'REPLCONF listening-port 1' 'REPLCONF capa eof capa psync2' 'INFO server' 'PSYNC ? -1' '' \
    '' '' 'REPLCONF ACK 0'
wait $!
python3 - "$work/heard" "$corpus" <<'PYTHON'
import re, sys
heard, corpus = open(sys.argv[1], "rb").read(), sys.argv[2]
extent = re.search(rb"\$EOF:(.{40})\r\n|\$(\d+)\r\n(?=REDIS)", heard)
assert extent, "no snapshot was heard"
open(corpus + "/answers/full", "wb").write(heard[: extent.end() + 9])
if extent[1]:
    stream = heard[heard.rindex(extent[1]) + 40 :]
else:
    stream = heard[extent.end() + int(extent[2]) :]
assert b"FLUSHALL" in stream.upper(), "no stream was heard"
open(corpus + "/stream/stock", "wb").write(stream)
commands = [c for c in re.split(rb"(?=\*\d+\r\n\$)", stream) if c]
for i in range(0, len(commands), 12):
    open(f"{corpus}/stream/stock-{i // 12:02}", "wb").write(b"".join(commands[i : i + 12]))
PYTHON
id=$(redis-cli -p $master INFO replication | tr -d '\r' | sed -n 's/^master_replid://p')
offset=$(redis-cli -p $master INFO replication | tr -d '\r' | sed -n 's/^master_repl_offset://p')
replica "$corpus/answers/continue" 'PING' 'REPLCONF listening-port 1' 'REPLCONF capa eof capa psync2' 'INFO server' "PSYNC $id $((offset + 1))"
redis-cli -p $master CONFIG SET requirepass secret >/dev/null
replica "$corpus/answers/noauth" 'PING' 'REPLCONF listening-port 1'
printf -- '+PONG\r\n+OK\r\n+OK\r\n$-1\r\n-NOMASTERLINK Can'\''t SYNC while not connected with my master\r\n' >"$corpus/answers/refused"

# Requests of the stock tools, taken off the wire by a listener that answers +OK to all of them.
wire() { # wire FILE COMMAND...: what COMMAND, run against $port, says
    local file=$1
    shift
    port=$((port + 1))
    rm -f "$work/listens"
    python3 - $port "$file" "$work/listens" <<'PYTHON' &
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.settimeout(5)
open(sys.argv[3], "w").close()
said = []
def serve(conn):
    conn.settimeout(1)
    try:
        while data := conn.recv(65536):
            said.append(data)
            conn.sendall(b"+OK\r\n" * max(1, data.count(b"*")))
    except OSError:
        pass
try:
    conn, _ = listener.accept()
    serve(conn)
except OSError:
    pass
open(sys.argv[2], "wb").write(b"".join(said)[:6000])
PYTHON
    local listener=$!
    until [ -e "$work/listens" ]; do sleep 0.05; done
    timeout 3 "${@//PORT/$port}" >/dev/null 2>&1 || true
    wait $listener
}
wire "$corpus/resp/cli" redis-cli -p PORT SET 'key with spaces' $'binary\x01\r\n' EX 100
wire "$corpus/resp/benchmark" redis-benchmark -p PORT -c 1 -n 40 -P 8 -t set -d 20
wire "$corpus/resp/pipe" bash -c "printf 'SET a 1\r\nMSET k \"v \\\\x41\\\\n\" l '\\''it'\\'' m \"\"\r\nGET a\r\n\r\nPING\r\n' | timeout 1 cat - >/dev/tcp/127.0.0.1/PORT"
cp "$corpus/stream/stock-00" "$corpus/resp/stream"

# Configuration files: the distribution's, the same without its comments, and what redis-server makes of it.
conf=$(find /etc/redis /usr/share/doc/redis-server -name redis.conf 2>/dev/null | head -n 1)
[ -n "$conf" ] || { echo "capture: no redis.conf of the distribution" >&2; exit 1; }
head -c 30000 "$conf" | sed '$d' >"$corpus/config/distribution"
grep -v -e '^#' -e '^$' -e '^dir ' -e '^pidfile' -e '^logfile' -e '^unixsocket' -e '^include' "$conf" >"$corpus/config/settings"
{ cat "$corpus/config/settings"; echo 'daemonize no'; echo 'supervised no'; } >"$work/redis.conf"
sed -i '/^daemonize yes/d; /^supervised/d; /^port/d; /^bind/d' "$work/redis.conf"
start conf redis-server "$work/redis.conf" --save '60 1000' --client-output-buffer-limit 'replica 1mb 2mb 3'
ask $port CONFIG SET requirepass 'a "quoted" \\ one' maxmemory 100mb notify-keyspace-events KEA
ask $port CONFIG REWRITE
grep -v '^dir ' "$work/redis.conf" >"$corpus/config/rewritten"

# Traces: a full sync, batches, a change of master, a hand-over, a promotion, a kill and a restart.
start one "$damselfly" --save '' --trace "$corpus/replay/one"
one=$port
start two "$damselfly" --save '' --trace "$corpus/replay/two"
two=$port two_pid=${pids[-1]}
start three "$damselfly" --save '' --trace "$corpus/replay/three" --replica-full-sync flush --replicaof "127.0.0.1 $one"
three=$port
up() { until redis-cli -p $1 INFO replication | grep -q 'master_link_status:up'; do sleep 0.1; done; }
ask $two REPLICAOF 127.0.0.1 $one
up $two
up $three
for i in 1 2 3 4 5; do ask $one SET k$i v; done
ask $two REPLICAOF 127.0.0.1 1 || true
ask $two REPLICAOF 127.0.0.1 $two || true
ask $one FAILOVER TO 127.0.0.1 $two TIMEOUT 5000
until redis-cli -p $one INFO replication | grep -q 'role:slave'; do sleep 0.1; done
up $one
ask $two SET k6 v
ask $three REPLICAOF 127.0.0.1 $two
up $three
ask $one FAILOVER ABORT || true
ask $one REPLICAOF NO ONE
ask $one SET mine 1
ask $one REPLICAOF 127.0.0.1 $two
up $one
kill -9 "$two_pid"
sleep 0.5
ask $three REPLICAOF NO ONE
ask $one REPLICAOF 127.0.0.1 $three
up $one
for node in $one $three; do ask $node SHUTDOWN NOSAVE || true; done
sleep 0.5
find "$corpus" -type f | sort | xargs ls -l | awk '{ print $5, $9; n += $5 } END { print n, "bytes" }'
