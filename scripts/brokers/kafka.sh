# Apache Kafka: one node, broker and controller in one process. Sourced by scripts/broker.
# shellcheck shell=bash
#
# OMB_KAFKA_PORT             clients, PLAINTEXT; default 19092
# OMB_KAFKA_SASL_PORT        clients, SASL_SSL; default: the port after that
# OMB_KAFKA_CONTROLLER_PORT  the node itself; default: two after
# OMB_KAFKA_START_SECONDS    how long a start may take; default 60
#
# On the PLAINTEXT port everybody may do everything. On the SASL_SSL port there are two
# users, by SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN: `omb` may do everything and `reader` nothing.

files=$root/scripts/brokers/kafka
main_class=kafka.Kafka

port=${OMB_KAFKA_PORT:-19092}
sasl_port=${OMB_KAFKA_SASL_PORT:-$((port + 1))}
controller_port=${OMB_KAFKA_CONTROLLER_PORT:-$((port + 2))}

# Passwords for a machine-local test broker; recognisable, so that a test can
# look for them where they must not turn up.
user=omb
password=omb-password-for-tests
reader=reader
reader_password=reader-password-for-tests

broker_start() {
    local pid ticks certificate=
    if running; then
        already_running
        return
    fi
    remove_remains
    ports_are_free
    need_java
    fetch_libs
    # Java has a session of its own: a Ctrl-C does not reach it, so it is ended here;
    # what runs before it is waited for.
    trap 'give_up; exit 130' INT
    trap 'give_up; exit 143' TERM HUP
    mkdir -p "$home/data"
    make_certificate &
    certificate=$!
    write_properties
    format_storage || die "Kafka's storage could not be formatted, see $home/format.log: $(tail -n 1 "$home/format.log")"
    wait "$certificate" || die "keytool made no certificate, see $home/keytool.log"
    launch
    await_answer
    write_env
    say "kafka: started, $(addresses)"
    trap - INT TERM HUP
}

broker_stop() {
    local pid ticks
    if running; then
        end_process "$pid" "$ticks"
        remove_remains
        say "kafka: stopped"
    else
        remove_remains
        say "kafka: was not running"
    fi
}

broker_status() {
    local pid ticks
    if ! running; then
        say "kafka: not running"
        return 3
    fi
    if [[ ! -f $home/env ]]; then
        say "kafka: process $pid is starting"
        return 4
    fi
    # shellcheck source=/dev/null
    if ! answers "$(. "$home/env" && printf '%s' "${OMB_KAFKA_BOOTSTRAP##*:}")"; then
        say "kafka: process $pid runs and does not answer, see $home/kafka.log"
        return 4
    fi
    say "kafka: running, $(addresses)"
}

# Sets pid and ticks in the caller if the process we started is still that process.
running() {
    [[ -f $home/pid ]] && read -r pid ticks <"$home/pid" && is_alive "$pid" "$ticks" &&
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$home/server.properties"
}

already_running() {
    [[ -f $home/env ]] || die "process $pid was left in the middle of its start: scripts/broker kafka stop"
    # In a shell of its own: the file sets the very variables that are compared.
    local now
    # shellcheck source=/dev/null
    now=$(. "$home/env" && printf '%s' "${OMB_KAFKA_BOOTSTRAP##*:}")
    if [[ -n ${OMB_KAFKA_PORT:-} && $now != "$port" ]]; then
        die "this checkout's Kafka already runs, on port $now and not $port: scripts/broker kafka stop"
    fi
    answers "$now" || die "this checkout's Kafka runs (process $pid) and does not answer, see $home/kafka.log: scripts/broker kafka stop"
    say "kafka: already running, $(addresses)"
}

addresses() {
    # shellcheck source=/dev/null
    (. "$home/env" && printf 'PLAINTEXT %s, SASL_SSL %s, env file %s' \
        "$OMB_KAFKA_BOOTSTRAP" "$OMB_KAFKA_SASL_BOOTSTRAP" "$home/env")
}

# Every start is a first start: only the libraries and the last log are kept.
remove_remains() {
    rm -rf "$home/data" "$home/pid" "$home/env" "$home/ca.pem" "$home/keystore.p12" "$home/server.properties"
}

ports_are_free() {
    local entry name number
    for entry in "OMB_KAFKA_PORT $port" "OMB_KAFKA_SASL_PORT $sasl_port" "OMB_KAFKA_CONTROLLER_PORT $controller_port"; do
        read -r name number <<<"$entry"
        [[ $number =~ ^[0-9]+$ ]] && ((number > 0 && number < 65536)) || die "$name=$number is not a port"
        if port_answers "$number"; then
            die "port $number is taken by another program: choose another by $name, or all three from OMB_KAFKA_PORT on, e.g. OMB_KAFKA_PORT=29092 scripts/broker kafka start"
        fi
    done
    [[ $port != "$sasl_port" && $port != "$controller_port" && $sasl_port != "$controller_port" ]] ||
        die "Kafka needs three different ports, not $port, $sasl_port and $controller_port"
}

need_java() {
    need java openjdk-17-jre-headless
    need keytool openjdk-17-jre-headless
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [[ -n $version && $version -ge 17 ]] || die "Kafka needs Java 17 or newer, and java is ${version:-unknown}: install the package openjdk-17-jre-headless (Debian's name)"
}

# The marker is written last and names the pom that the libraries were fetched for.
fetch_libs() {
    local wanted
    wanted=$(sha256sum <"$files/pom.xml")
    [[ -f $home/libs/.pom && $(<"$home/libs/.pom") == "$wanted" ]] && return
    need mvn maven
    warn "fetching Kafka's libraries (55 MB)"
    rm -rf "$home/libs" "$home/libs.new"
    # Maven's own cache is shared by all checkouts and does not bear two writers.
    local cache=~/.m2
    mkdir -p "$cache"
    (
        flock -w 300 8 || die "another fetch has held $cache/omb.lock for five minutes"
        mvn -q -B -f "$files/pom.xml" dependency:copy-dependencies -DoutputDirectory="$home/libs.new" \
            </dev/null >"$home/mvn.log" 2>&1 8>&- 9>&-
    ) 8>"$cache/omb.lock" ||
        die "Maven could not fetch Kafka, see $home/mvn.log: $(grep -m 1 ERROR "$home/mvn.log" || true)"
    printf '%s' "$wanted" >"$home/libs.new/.pom"
    mv "$home/libs.new" "$home/libs"
}

# The certificate signs itself, so it is also the authority a client is to trust.
make_certificate() {
    {
        keytool -genkeypair -alias kafka -keyalg EC -groupname secp256r1 -dname CN=localhost \
            -ext SAN=ip:127.0.0.1,dns:localhost -ext BC=ca:true -startdate -1d -validity 3650 \
            -keystore "$home/keystore.p12" -storetype PKCS12 -storepass "$password" &&
            keytool -exportcert -rfc -alias kafka -keystore "$home/keystore.p12" -storepass "$password" -file "$home/ca.pem"
    } </dev/null >"$home/keytool.log" 2>&1 9>&-
}

write_properties() {
    local text
    text=$(<"$files/server.properties")
    text=${text//@PORT@/"$port"}
    text=${text//@SASL_PORT@/"$sasl_port"}
    text=${text//@CONTROLLER_PORT@/"$controller_port"}
    text=${text//@HOME@/"$home"}
    text=${text//@USER@/"$user"}
    text=${text//@PASSWORD@/"$password"}
    text=${text//@READER@/"$reader"}
    text=${text//@READER_PASSWORD@/"$reader_password"}
    printf '%s\n' "$text" >"$home/server.properties"
}

# A short-lived JVM: start-up time is all that counts.
tool() { java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$home/libs/*" "$@"; }

format_storage() {
    local mechanism scram=()
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
        scram+=(--add-scram "$mechanism=[name=$user,password=$password]")
        scram+=(--add-scram "$mechanism=[name=$reader,password=$reader_password]")
    done
    # A cluster id is 16 bytes in URL-safe base64; one that stays the same is fine for data that does not.
    tool kafka.tools.StorageTool format -t b21iLXRlc3Qta2Fma2EtMQ --standalone \
        -c "$home/server.properties" "${scram[@]}" </dev/null >"$home/format.log" 2>&1 9>&-
}

# Detached: a session of its own, no descriptor of ours, so neither a pipe nor the lock
# lives on in it. The pid file comes first, so that there is no Java without one.
# Sets pid and ticks in the caller.
launch() {
    [[ ! -f $home/kafka.log ]] || mv "$home/kafka.log" "$home/kafka.log.1"
    (
        close_inherited
        cd "$home"
        printf '%s %s\n' "$BASHPID" "$(started_at "$BASHPID")" >"$home/pid"
        # Not a group leader, so setsid does not fork and the PID stays the same.
        exec setsid java -Xmx1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError \
            -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
            -cp "$home/libs/*" "$main_class" "$home/server.properties"
    ) </dev/null >"$home/kafka.log" 2>&1 &
    pid=$!
    ticks=$(started_at "$pid") || { show_log; die "Kafka ended at once"; }
}

# The start was interrupted: what the pid file names may still be on its way to being Java.
give_up() {
    local pid ticks
    [[ -z $certificate ]] || wait "$certificate" || true
    if [[ -s $home/pid ]] && read -r pid ticks <"$home/pid" && is_alive "$pid" "$ticks"; then
        end_process "$pid" "$ticks"
    fi
    remove_remains
}

await_answer() {
    local limit=${OMB_KAFKA_START_SECONDS:-60}
    local until=$((SECONDS + limit))
    until grep -q 'Kafka Server started' "$home/kafka.log" && answers "$port" && port_answers "$sasl_port"; do
        if ! is_alive "$pid" "$ticks"; then
            show_log
            remove_remains
            die "Kafka ended while starting, see $home/kafka.log"
        fi
        if ((SECONDS >= until)); then
            show_log
            end_process "$pid" "$ticks"
            remove_remains
            die "Kafka did not answer on port $port within $limit s, see $home/kafka.log"
        fi
        sleep 0.1
    done
}

show_log() { tail -n 15 "$home/kafka.log" >&2; }

# answers PORT: a Metadata request (key 3, version 4, no topics) is answered and names one
# broker, which it does only once the broker takes part in its cluster.
answers() {
    local reply
    reply=$(
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
        printf '\0\0\0\017\0\003\0\004\0\0\0\052\377\377\0\0\0\0\0' >&3
        timeout 5 head -c 16 <&3 | od -An -v -tx1 | tr -d ' \n'
    ) 2>/dev/null || return 1
    # Size, then correlation 42, then the throttle time, then how many brokers.
    [[ $reply =~ ^[0-9a-f]{8}0000002a[0-9a-f]{8}00000001$ ]]
}

# Asks, waits 15 s, then insists. The PID was verified by the caller and is before each signal.
end_process() {
    ! is_alive "$1" "$2" || kill -TERM "$1" 2>/dev/null || true
    gone_within 15 "$1" "$2" && return
    warn "Kafka (process $1) did not end within 15 s of SIGTERM: SIGKILL"
    ! is_alive "$1" "$2" || kill -KILL "$1" 2>/dev/null || true
    gone_within 5 "$1" "$2" || die "process $1 does not end"
}

write_env() {
    local name value
    while read -r name value; do
        printf 'export %s=%q\n' "$name" "$value"
    done >"$home/env.new" <<END
OMB_KAFKA_BOOTSTRAP 127.0.0.1:$port
OMB_KAFKA_SASL_BOOTSTRAP 127.0.0.1:$sasl_port
OMB_KAFKA_CA $home/ca.pem
OMB_KAFKA_USER $user
OMB_KAFKA_PASSWORD $password
OMB_KAFKA_READER $reader
OMB_KAFKA_READER_PASSWORD $reader_password
OMB_KAFKA_LIBS $home/libs
END
    mv "$home/env.new" "$home/env"
}
