# Apache Kafka: one node, broker and controller in one process. Sourced by scripts/broker.
# shellcheck shell=bash disable=SC2034,SC2154
#
# OMB_KAFKA_PORT             clients, PLAINTEXT; default 19092
# OMB_KAFKA_SASL_PORT        clients, SASL_SSL; default: the port after that
# OMB_KAFKA_CONTROLLER_PORT  the node itself; default: two after
# OMB_KAFKA_START_SECONDS    how long a start may take; default 60
#
# On the PLAINTEXT port everybody may do everything. On the SASL_SSL port there are two
# users, by SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN: `omb` may do everything and `reader` nothing.

title=Kafka
files=$root/scripts/brokers/kafka
mark=$home/server.properties
remains=(ca.pem keystore.p12 server.properties)
start_seconds=${OMB_KAFKA_START_SECONDS:-60}

port=${OMB_KAFKA_PORT:-19092}
sasl_port=${OMB_KAFKA_SASL_PORT:-$((port + 1))}
controller_port=${OMB_KAFKA_CONTROLLER_PORT:-$((port + 2))}
ports=("OMB_KAFKA_PORT $port" "OMB_KAFKA_SASL_PORT $sasl_port" "OMB_KAFKA_CONTROLLER_PORT $controller_port")

# Passwords for a machine-local test broker; recognisable, so that a test can
# look for them where they must not turn up.
user=omb
password=omb-password-for-tests
reader=reader
reader_password=reader-password-for-tests

certificate=

prepare() {
    need_java
    fetch_libs
    make_certificate &
    certificate=$!
    write_properties
    format_storage || die "Kafka's storage could not be formatted, see $home/format.log: $(tail -n 1 "$home/format.log")"
    wait "$certificate" || die "keytool made no certificate, see $home/keytool.log"
    certificate=
}

give_up_also() { [[ -z $certificate ]] || wait "$certificate" || true; }

serve() {
    exec setsid java -Xmx1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError \
        -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
        -cp "$home/libs/*" kafka.Kafka "$home/server.properties"
}

addresses() { printf 'PLAINTEXT %s, SASL_SSL %s' "$OMB_KAFKA_BOOTSTRAP" "$OMB_KAFKA_SASL_BOOTSTRAP"; }

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

# protocol_answers PORT: a Metadata request (key 3, version 4, no topics) is answered and names one
# broker, which it does only once the broker takes part in its cluster.
protocol_answers() {
    local reply
    reply=$(
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
        printf '\0\0\0\017\0\003\0\004\0\0\0\052\377\377\0\0\0\0\0' >&3
        timeout 5 head -c 16 <&3 | od -An -v -tx1 | tr -d ' \n'
    ) 2>/dev/null || return 1
    # Size, then correlation 42, then the throttle time, then how many brokers.
    [[ $reply =~ ^[0-9a-f]{8}0000002a[0-9a-f]{8}00000001$ ]]
}

answers() { grep -q 'Kafka Server started' "$home/kafka.log" && protocol_answers "$1" && port_answers "$sasl_port"; }

environment() {
    cat <<END
OMB_KAFKA_BOOTSTRAP 127.0.0.1:$port
OMB_KAFKA_SASL_BOOTSTRAP 127.0.0.1:$sasl_port
OMB_KAFKA_CA $home/ca.pem
OMB_KAFKA_USER $user
OMB_KAFKA_PASSWORD $password
OMB_KAFKA_READER $reader
OMB_KAFKA_READER_PASSWORD $reader_password
OMB_KAFKA_LIBS $home/libs
END
}
