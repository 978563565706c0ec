#!/bin/sh
# run.sh DIR SECONDS NAME…: runs DIR/fuzz_NAME from the seeds in tests/fuzz/corpus, as many at once as there are
# processors, SECONDS for all of them together. What makes one fail is kept as DIR/NAME-crash-…, and named.
set -eu

dir=$(realpath "$1") seconds=$2
shift 2
here=$(dirname "$(realpath "$0")")
processors=$(nproc)
rounds=$((($# + processors - 1) / processors))
each=$((seconds / rounds))
[ "$each" -gt 0 ] || each=1

# LLVM's own time limit is for one input; nobody waits longer than this for the whole.
one() {
    cd "$dir"
    mkdir -p "found/$1"
    timeout $((each * 4 + 120)) "./fuzz_$1" -max_total_time="$each" -max_len=16384 -timeout=25 -rss_limit_mb=1024 \
        -artifact_prefix="$dir/$1-" -print_final_stats=1 -verbosity=0 "found/$1" "$here/corpus/$1" >"$1.log" 2>&1
}

passed=0 failed=0
while [ $# -gt 0 ]; do
    running=""
    while [ $# -gt 0 ] && [ "$(echo "$running" | wc -w)" -lt "$processors" ]; do
        one "$1" &
        running="$running $1:$!"
        shift
    done
    for job in $running; do
        name=${job%%:*}
        if wait "${job##*:}"; then
            passed=$((passed + 1))
            runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/$name.log")
            echo "ok fuzz: $name: $runs inputs in $each s"
        else
            failed=$((failed + 1))
            echo "FAIL fuzz: $name: see $dir/$name.log"
            grep -E 'ERROR|SUMMARY|runtime error|Test unit written' "$dir/$name.log" || tail -n 5 "$dir/$name.log"
        fi
    done
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
