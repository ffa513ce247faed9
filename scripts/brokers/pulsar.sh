# Apache Pulsar: broker, storage and metadata in one process. Sourced by scripts/broker.
# shellcheck shell=bash disable=SC2034,SC2154
#
# OMB_PULSAR_PORT           clients; default 16650
# OMB_PULSAR_TLS_PORT       clients, over TLS; default: the port after that
# OMB_PULSAR_HTTP_PORT      the REST API; default: two after
# OMB_PULSAR_HTTPS_PORT     the same, over TLS; default: three after
# OMB_PULSAR_BOOKIE_PORT    its storage; default: four after
# OMB_PULSAR_START_SECONDS  how long a start may take; default 90
#
# Who shows no token may do everything, as may who shows that of `omb`; `reader` may do nothing. The namespace
# `public/omb-suite` is there, and the tenant `omb-tests` without any.

title=Pulsar
version=4.0.8
start_seconds=${OMB_PULSAR_START_SECONDS:-90}

port=${OMB_PULSAR_PORT:-16650}
tls_port=${OMB_PULSAR_TLS_PORT:-$((port + 1))}
http_port=${OMB_PULSAR_HTTP_PORT:-$((port + 2))}
https_port=${OMB_PULSAR_HTTPS_PORT:-$((port + 3))}
bookie_port=${OMB_PULSAR_BOOKIE_PORT:-$((port + 4))}
ports=(
    "OMB_PULSAR_PORT $port" "OMB_PULSAR_TLS_PORT $tls_port" "OMB_PULSAR_HTTP_PORT $http_port"
    "OMB_PULSAR_HTTPS_PORT $https_port" "OMB_PULSAR_BOOKIE_PORT $bookie_port"
)

# Where what Maven fetches is unpacked: for all checkouts.
server=${XDG_CACHE_HOME:-$HOME/.cache}/omb/pulsar-$version
mark=-Domb.home=$home
remains=(ca.pem ca-key.pem certificate.pem key.pem standalone.conf token.key)

prepare() {
    need_java
    need openssl openssl
    need curl curl
    fetch_server
    make_certificate
    write_settings
}

# The last thing to be there is the name.
fetch_server() {
    [[ ! -d $server ]] || return 0
    need mvn maven
    warn "fetching Pulsar (245 MB)"
    local cache=~/.m2 artifact=pulsar-server-distribution new=$server.new
    mkdir -p "$cache"
    (
        # Maven's own cache is shared by all checkouts and does not bear two writers.
        flock -w 600 8 || die "another fetch has held $cache/omb.lock for ten minutes"
        [[ ! -d $server ]] || exit 0
        rm -rf "$new"
        mkdir -p "$new/fetched"
        mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
            -Dartifact="org.apache.pulsar:$artifact:$version:tar.gz:bin" -DoutputDirectory="$new/fetched" \
            </dev/null >"$home/mvn.log" 2>&1 8>&- 9>&- ||
            die "Maven could not fetch Pulsar, see $home/mvn.log: $(grep -m 1 ERROR "$home/mvn.log" || true)"
        tar -xzf "$new/fetched/$artifact-$version-bin.tar.gz" -C "$new" --strip-components=1
        rm -rf "$new/fetched"
        mv "$new" "$server"
    ) 8>"$cache/omb.lock"
}

# An authority, and a certificate of the server's that it has signed.
make_certificate() {
    local new=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650)
    {
        "${new[@]}" -x509 -subj "/CN=omb tests" -addext basicConstraints=critical,CA:TRUE \
            -keyout "$home/ca-key.pem" -out "$home/ca.pem" &&
            "${new[@]}" -x509 -CA "$home/ca.pem" -CAkey "$home/ca-key.pem" -subj /CN=localhost \
                -addext subjectAltName=IP:127.0.0.1,DNS:localhost -addext basicConstraints=critical,CA:FALSE \
                -keyout "$home/key.pem" -out "$home/certificate.pem"
    } </dev/null >"$home/openssl.log" 2>&1 || die "openssl made no certificate, see $home/openssl.log"
}

# A key for a machine-local test broker; its tokens are made by token_of.
secret=omb-secret-for-the-tokens-of-tests

url_base64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# token_of USER
token_of() {
    local signed
    signed=$(printf '{"alg":"HS256"}' | url_base64).$(printf '{"sub":"%s"}' "$1" | url_base64)
    printf '%s.%s' "$signed" "$(printf '%s' "$signed" | openssl dgst -sha256 -hmac "$secret" -binary | url_base64)"
}

# What is not here is as in the distribution's file for a standalone server.
write_settings() {
    printf '%s' "$secret" >"$home/token.key"
    local own=(
        bindAddress=127.0.0.1
        advertisedAddress=127.0.0.1
        "brokerServicePort=$port"
        "brokerServicePortTls=$tls_port"
        "webServicePort=$http_port"
        "webServicePortTls=$https_port"
        tlsEnabled=true
        "tlsCertificateFilePath=$home/certificate.pem"
        "tlsKeyFilePath=$home/key.pem"
        "tlsTrustCertsFilePath=$home/ca.pem"
        authenticationEnabled=true
        authenticationProviders=org.apache.pulsar.broker.authentication.AuthenticationProviderToken
        "tokenSecretKey=file://$home/token.key"
        authorizationEnabled=true
        anonymousUserRole=anonymous
        "superUserRoles=anonymous,omb"
        brokerClientAuthenticationPlugin=org.apache.pulsar.client.impl.auth.AuthenticationToken
        "brokerClientAuthenticationParameters=token:$(token_of omb)"
        allowAutoTopicCreation=false
        listeningInterface=lo
        allowEphemeralPorts=true
        diskUsageThreshold=0.99
        diskUsageWarnThreshold=0.98
        diskUsageLwmThreshold=0.98
    )
    local keys
    keys=$(printf '%s\n' "${own[@]%%=*}" | paste -sd'|')
    grep -vE "^($keys)=" "$server/conf/standalone.conf" >"$home/standalone.conf"
    printf '%s\n' "${own[@]}" >>"$home/standalone.conf"
}

serve() {
    mkdir -p "$home/data/tmp"
    local opens=() package
    for package in java.base/jdk.internal.loader java.base/java.util.concurrent.atomic java.base/sun.net \
        java.base/java.lang java.base/java.nio java.base/jdk.internal.misc java.base/jdk.internal.platform \
        java.management/sun.management; do
        opens+=(--add-opens "$package=ALL-UNNAMED")
    done
    exec setsid java -Xmx1g -XX:MaxDirectMemorySize=1g -XX:+ExitOnOutOfMemoryError "$mark" "${opens[@]}" \
        -Djava.io.tmpdir="$home/data/tmp" -Djava.net.preferIPv4Stack=true -Dio.netty.tryReflectionSetAccessible=true \
        -Dlog4j.configurationFile="$root/scripts/brokers/pulsar/log4j2.xml" -Dlog4j2.formatMsgNoLookups=true \
        -DzookeeperServerPort=0 -Dbookkeeper.metadata.bookie.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataBookieDriver \
        -Dbookkeeper.metadata.client.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataClientDriver \
        -cp "$server/lib/*" org.apache.pulsar.PulsarStandaloneStarter --config "$home/standalone.conf" \
        --no-functions-worker --no-stream-storage -a 127.0.0.1 --metadata-dir "$home/data/metadata" \
        --bookkeeper-dir "$home/data/bookkeeper" --num-bookies 1 --bookkeeper-port "$bookie_port"
}

rest() { curl -fs -m 5 -H 'content-type: application/json' "$@"; }

answers() {
    port_answers "$1" && port_answers "$tls_port" &&
        [[ $(rest "http://127.0.0.1:$http_port/admin/v2/brokers/health") == ok ]] &&
        [[ $(rest "http://127.0.0.1:$http_port/admin/v2/namespaces/public") == *public/default* ]]
}

# For the tests of the driver, which name their topics themselves.
settle() {
    local api=http://127.0.0.1:$http_port/admin/v2
    [[ $(rest "$api/namespaces/public") != *public/omb-suite* ]] || return 0
    rest -X PUT "$api/namespaces/public/omb-suite" && rest -X PUT "$api/tenants/omb-tests" -d '{"allowedClusters":["standalone"]}' ||
        die "Pulsar made no namespace, see $home/pulsar.log"
}

addresses() { printf 'clients %s, TLS %s, REST %s' "$OMB_PULSAR" "$OMB_PULSAR_TLS" "$OMB_PULSAR_HTTP"; }

environment() {
    cat <<END
OMB_PULSAR 127.0.0.1:$port
OMB_PULSAR_TLS 127.0.0.1:$tls_port
OMB_PULSAR_HTTP http://127.0.0.1:$http_port
OMB_PULSAR_HTTPS https://127.0.0.1:$https_port
OMB_PULSAR_CA $home/ca.pem
OMB_PULSAR_TOKEN $(token_of omb)
OMB_PULSAR_READER_TOKEN $(token_of reader)
END
}
