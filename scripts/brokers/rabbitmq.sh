# RabbitMQ: one node, with the management plugin. Sourced by scripts/broker.
# shellcheck shell=bash disable=SC2034,SC2154
#
# OMB_RABBITMQ_PORT           clients, AMQP; default 15675
# OMB_RABBITMQ_TLS_PORT       clients, AMQP over TLS; default: the port after that
# OMB_RABBITMQ_HTTP_PORT      management; default: 10,000 after, as 15672 is beside 5672
# OMB_RABBITMQ_DIST_PORT      the node itself; default: two after
# OMB_RABBITMQ_EPMD_PORT      Erlang's port mapper; default: three after
# OMB_RABBITMQ_START_SECONDS  how long a start may take; default 60
#
# There are three users: `guest` (password guest) and `omb` may do everything, the latter also in the
# virtual host `omb tests`, and `reader` may do nothing.

title=RabbitMQ
mark=$home/data/mark
remains=(ca.pem ca-key.pem certificate.pem key.pem rabbitmq.conf definitions.json enabled_plugins epmd.pid)
start_seconds=${OMB_RABBITMQ_START_SECONDS:-60}

port=${OMB_RABBITMQ_PORT:-15675}
tls_port=${OMB_RABBITMQ_TLS_PORT:-$((port + 1))}
http_port=${OMB_RABBITMQ_HTTP_PORT:-$((port + 10000))}
dist_port=${OMB_RABBITMQ_DIST_PORT:-$((port + 2))}
epmd_port=${OMB_RABBITMQ_EPMD_PORT:-$((port + 3))}
ports=(
    "OMB_RABBITMQ_PORT $port" "OMB_RABBITMQ_TLS_PORT $tls_port" "OMB_RABBITMQ_HTTP_PORT $http_port"
    "OMB_RABBITMQ_DIST_PORT $dist_port" "OMB_RABBITMQ_EPMD_PORT $epmd_port"
)

# For a machine-local test broker; recognisable, so that a test can look for it where it must not
# turn up.
password=omb-password-for-tests

prepare() {
    install_server
    need openssl openssl
    need curl curl
    make_certificate
    write_settings
    start_epmd
}

# Debian's package would start the server as a service of the system.
install_server() {
    [[ -z $(server_script) ]] || return 0
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null ||
        die "RabbitMQ is missing: install the package rabbitmq-server (Debian's name) and start again"
    local policy=/usr/sbin/policy-rc.d ours=
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        ours=yes
    fi
    warn "RabbitMQ is missing: installing rabbitmq-server"
    local status=0
    apt_install rabbitmq-server || status=$?
    [[ -z $ours ]] || rm -f "$policy"
    ((status == 0)) && [[ -n $(server_script) ]] || die "rabbitmq-server could not be installed, see $target/apt.log"
}

# The one in /usr/sbin changes the user.
server_script() {
    local file
    for file in /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server; do
        [[ ! -x $file ]] || printf '%s' "$file"
    done
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

write_settings() {
    cat >"$home/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$port
listeners.ssl.1 = 127.0.0.1:$tls_port
ssl_options.certfile = $home/certificate.pem
ssl_options.keyfile = $home/key.pem
ssl_options.cacertfile = $home/ca.pem
ssl_options.verify = verify_none
management.tcp.ip = 127.0.0.1
management.tcp.port = $http_port
load_definitions = $home/definitions.json
disk_free_limit.absolute = 50MB
log.console = true
log.file = false
END
    cat >"$home/definitions.json" <<END
{
  "users": [
    {"name": "guest", "password": "guest", "tags": "administrator"},
    {"name": "omb", "password": "$password", "tags": "administrator"},
    {"name": "reader", "password": "$password", "tags": ""}
  ],
  "vhosts": [{"name": "/"}, {"name": "omb tests"}],
  "permissions": [
    {"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "omb", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "omb", "vhost": "omb tests", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "reader", "vhost": "/", "configure": "^$", "write": "^$", "read": "^$"}
  ]
}
END
    printf '[rabbitmq_management].\n' >"$home/enabled_plugins"
}

# Erlang would start one that outlives it.
start_epmd() {
    (
        close_inherited
        write_pid "$BASHPID" >"$home/epmd.pid"
        exec setsid epmd -port "$epmd_port" -address 127.0.0.1
    ) </dev/null >"$home/epmd.log" 2>&1 &
}

end_also() {
    local pid ticks
    if [[ -s $home/epmd.pid ]] && read -r pid ticks <"$home/epmd.pid" && is_alive "$pid" "$ticks"; then
        kill -KILL "$pid" 2>/dev/null || true
        gone_within 5 "$pid" "$ticks" || die "process $pid does not end"
    fi
}

# As under systemd the script becomes the server, so that the PID stays the same.
serve() {
    exec setsid env HOME="$home/data" RABBITMQ_NODENAME=omb@localhost RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf" \
        RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_MNESIA_BASE="$home/data" RABBITMQ_LOG_BASE="$home/data" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins" RABBITMQ_DIST_PORT="$dist_port" \
        ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 RUNNING_UNDER_SYSTEMD=1 \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} -omb $mark" \
        "$(server_script)"
}

answers() {
    port_answers "$1" && port_answers "$tls_port" &&
        curl -fs -m 5 -o "$home/health.json" -u guest:guest "http://127.0.0.1:$http_port/api/health/checks/local-alarms"
}

addresses() { printf 'AMQP %s, TLS %s, management %s' "$OMB_RABBITMQ" "$OMB_RABBITMQ_TLS" "$OMB_RABBITMQ_HTTP"; }

environment() {
    cat <<END
OMB_RABBITMQ 127.0.0.1:$port
OMB_RABBITMQ_TLS 127.0.0.1:$tls_port
OMB_RABBITMQ_HTTP http://127.0.0.1:$http_port
OMB_RABBITMQ_CA $home/ca.pem
OMB_RABBITMQ_PASSWORD $password
END
}
