# Apache RocketMQ: a name server and a broker. Sourced by scripts/broker.
# shellcheck shell=bash disable=SC2034,SC2154
#
# OMB_ROCKETMQ_PORT           the name server, which clients ask first; default 17876
# OMB_ROCKETMQ_BROKER_PORT    the broker; default: ten after, and it takes the one two before as well
# OMB_ROCKETMQ_USERS          `yes`: the broker asks who clients are; default: everybody may do everything
# OMB_ROCKETMQ_START_SECONDS  how long a start may take; default 60
#
# With users there are two: `omb` may do everything, and `reader` nothing.

title=RocketMQ
version=5.5.0
files=$root/scripts/brokers/rocketmq
start_seconds=${OMB_ROCKETMQ_START_SECONDS:-60}
# It takes ten of them to put its affairs in order.
end_seconds=0

port=${OMB_ROCKETMQ_PORT:-17876}
broker_port=${OMB_ROCKETMQ_BROKER_PORT:-$((port + 10))}
ports=(
    "OMB_ROCKETMQ_PORT $port" "OMB_ROCKETMQ_BROKER_PORT $broker_port"
    "OMB_ROCKETMQ_BROKER_PORT $((broker_port - 2))" "OMB_ROCKETMQ_BROKER_PORT $((broker_port + 1))"
)
users=${OMB_ROCKETMQ_USERS:-no}

# For a machine-local test broker; recognisable, so that a test can look for it where it must not turn up.
password=omb-password-for-tests

# What Maven fetches, for all checkouts.
libs=${XDG_CACHE_HOME:-$HOME/.cache}/omb/rocketmq-$version
mark=-Domb.home=$home
remains=(namesrv.conf broker.conf namesrv.pid)

prepare() {
    need_java
    fetch_libs
    write_settings
    start_name_server
}

# The last thing to be there is the name.
fetch_libs() {
    [[ ! -d $libs ]] || return 0
    need mvn maven
    warn "fetching RocketMQ's libraries (80 MB)"
    local cache=~/.m2 new=$libs.new
    mkdir -p "$cache" "${libs%/*}"
    (
        # Maven's own cache is shared by all checkouts and does not bear two writers.
        flock -w 600 8 || die "another fetch has held $cache/omb.lock for ten minutes"
        [[ ! -d $libs ]] || exit 0
        rm -rf "$new"
        mvn -q -B -f "$files/pom.xml" -Drocketmq.version="$version" \
            org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
            -DoutputDirectory="$new" </dev/null >"$home/mvn.log" 2>&1 8>&- 9>&- ||
            die "Maven could not fetch RocketMQ, see $home/mvn.log: $(grep -m 1 ERROR "$home/mvn.log" || true)"
        mv "$new" "$libs"
    ) 8>"$cache/omb.lock"
}

# A busy machine is no reason to refuse messages, as the broker would after they have waited for 0.2 s. The
# largest message is smaller than what its clients send, so that a broker's refusal can be seen.
write_settings() {
    cat >"$home/namesrv.conf" <<END
bindAddress=127.0.0.1
listenPort=$port
kvConfigPath=$home/data/kvConfig.json
END
    cat >"$home/broker.conf" <<END
brokerClusterName=DefaultCluster
brokerName=broker-a
brokerId=0
bindAddress=127.0.0.1
brokerIP1=127.0.0.1
listenPort=$broker_port
namesrvAddr=127.0.0.1:$port
storePathRootDir=$home/data/store
mappedFileSizeCommitLog=134217728
diskMaxUsedSpaceRatio=98
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=false
waitTimeMillsInSendQueue=10000
maxMessageSize=2097152
END
    [[ $users == yes ]] || return 0
    local provider=org.apache.rocketmq.auth
    cat >>"$home/broker.conf" <<END
authenticationEnabled=true
authenticationProvider=$provider.authentication.provider.DefaultAuthenticationProvider
authenticationMetadataProvider=$provider.authentication.provider.LocalAuthenticationMetadataProvider
authorizationEnabled=true
authorizationProvider=$provider.authorization.provider.DefaultAuthorizationProvider
authorizationMetadataProvider=$provider.authorization.provider.LocalAuthorizationMetadataProvider
initAuthenticationUser={"username":"omb","password":"$password"}
innerClientAuthenticationCredentials={"accessKey":"omb","secretKey":"$password"}
END
    mkdir -p "$home/data/conf"
    printf 'accessKey: omb\nsecretKey: %s\n' "$password" >"$home/data/conf/tools.yml"
}

# The broker has the one user that it was started with.
settle() {
    [[ $users == yes ]] || return 0
    ROCKETMQ_HOME=$home/data java -Xmx128m -XX:TieredStopAtLevel=1 -Duser.home="$home/data" -cp "$libs/*" \
        org.apache.rocketmq.tools.command.MQAdminStartup createUser -n "127.0.0.1:$port" -c DefaultCluster \
        -u reader -p "$password" -t Normal </dev/null >"$home/tools.log" 2>&1 &&
        grep -q success "$home/tools.log" || die "RocketMQ made no user, see $home/tools.log"
}

# rocketmq CLASS ARGUMENT…: becomes a part of the server.
rocketmq() {
    exec setsid env ROCKETMQ_HOME="$home/data" java -Xmx512m -XX:MaxDirectMemorySize=512m -XX:+ExitOnOutOfMemoryError \
        "$mark" -Duser.home="$home/data" --add-exports java.base/sun.nio.ch=ALL-UNNAMED -cp "$libs/*" "$@"
}

start_name_server() {
    (
        close_inherited
        write_pid "$BASHPID" >"$home/namesrv.pid"
        rocketmq org.apache.rocketmq.namesrv.NamesrvStartup -c "$home/namesrv.conf"
    ) </dev/null >"$home/namesrv.log" 2>&1 &
}

serve() { rocketmq org.apache.rocketmq.broker.BrokerStartup -c "$home/broker.conf"; }

end_also() {
    local pid ticks
    if [[ -s $home/namesrv.pid ]] && read -r pid ticks <"$home/namesrv.pid" && is_alive "$pid" "$ticks"; then
        end_process "$pid" "$ticks"
    fi
}

# Each broker tells the name server of itself (code 106 is what it knows of them).
answers() {
    port_answers "$1" && port_answers "$broker_port" && grep -qs 'boot success' "$home/rocketmq.log" &&
        [[ $(rocketmq_says "$1" 106) == *broker-a* ]]
}

addresses() { printf 'name server %s, broker %s' "$OMB_ROCKETMQ" "$OMB_ROCKETMQ_BROKER"; }

environment() {
    cat <<END
OMB_ROCKETMQ 127.0.0.1:$port
OMB_ROCKETMQ_BROKER 127.0.0.1:$broker_port
OMB_ROCKETMQ_PASSWORD $password
END
}
