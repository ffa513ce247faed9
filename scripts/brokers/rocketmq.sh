# Apache RocketMQ: a name server and a broker. Sourced by scripts/broker.
# shellcheck shell=bash disable=SC2034,SC2154
#
# OMB_ROCKETMQ_PORT           the name server, which clients ask first; default 17876
# OMB_ROCKETMQ_BROKER_PORT    the broker; default: ten after, and it takes the one two before as well
# OMB_ROCKETMQ_START_SECONDS  how long a start may take; default 60

title=RocketMQ
files=$root/scripts/brokers/rocketmq
start_seconds=${OMB_ROCKETMQ_START_SECONDS:-60}

port=${OMB_ROCKETMQ_PORT:-17876}
broker_port=${OMB_ROCKETMQ_BROKER_PORT:-$((port + 10))}
ports=(
    "OMB_ROCKETMQ_PORT $port" "OMB_ROCKETMQ_BROKER_PORT $broker_port"
    "OMB_ROCKETMQ_BROKER_PORT $((broker_port - 2))" "OMB_ROCKETMQ_BROKER_PORT $((broker_port + 1))"
)
mark=-Domb.home=$home
remains=(namesrv.conf broker.conf namesrv.pid)

prepare() {
    need_java
    fetch_libs
    write_settings
    start_name_server
}

# The marker is written last and names the pom that the libraries were fetched for.
fetch_libs() {
    local wanted
    wanted=$(sha256sum <"$files/pom.xml")
    [[ -f $home/libs/.pom && $(<"$home/libs/.pom") == "$wanted" ]] && return
    need mvn maven
    warn "fetching RocketMQ's libraries (80 MB)"
    rm -rf "$home/libs" "$home/libs.new"
    # Maven's own cache is shared by all checkouts and does not bear two writers.
    local cache=~/.m2
    mkdir -p "$cache"
    (
        flock -w 300 8 || die "another fetch has held $cache/omb.lock for five minutes"
        mvn -q -B -f "$files/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
            -DoutputDirectory="$home/libs.new" </dev/null >"$home/mvn.log" 2>&1 8>&- 9>&-
    ) 8>"$cache/omb.lock" ||
        die "Maven could not fetch RocketMQ, see $home/mvn.log: $(grep -m 1 ERROR "$home/mvn.log" || true)"
    printf '%s' "$wanted" >"$home/libs.new/.pom"
    mv "$home/libs.new" "$home/libs"
}

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
END
}

# rocketmq CLASS ARGUMENT…: becomes a part of the server.
rocketmq() {
    exec setsid env ROCKETMQ_HOME="$home/data" java -Xmx512m -XX:MaxDirectMemorySize=512m -XX:+ExitOnOutOfMemoryError \
        "$mark" -Duser.home="$home/data" --add-exports java.base/sun.nio.ch=ALL-UNNAMED -cp "$home/libs/*" "$@"
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

# cluster_at PORT: what the name server knows of its brokers (code 106), each of which tells it of itself.
cluster_at() {
    local header='{"code":106,"flag":0,"language":"OTHER","opaque":1,"version":0}' size reply
    printf -v size '%04x' $((4 + ${#header}))
    reply=$(
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
        # Size of all that follows, size of the header, header; no body.
        printf "\\0\\0\\x${size:0:2}\\x${size:2}\\0\\0\\0\\x$(printf '%02x' "${#header}")%s" "$header" >&3
        timeout 1 cat <&3 | tr -d '\0'
    ) 2>/dev/null || true
    printf '%s' "$reply"
}

answers() {
    port_answers "$1" && port_answers "$broker_port" && grep -qs 'boot success' "$home/rocketmq.log" &&
        [[ $(cluster_at "$1") == *broker-a* ]]
}

addresses() { printf 'name server %s, broker %s' "$OMB_ROCKETMQ" "$OMB_ROCKETMQ_BROKER"; }

environment() {
    cat <<END
OMB_ROCKETMQ 127.0.0.1:$port
OMB_ROCKETMQ_BROKER 127.0.0.1:$broker_port
OMB_ROCKETMQ_LIBS $home/libs
END
}
