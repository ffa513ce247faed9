# How a broker for tests is started, watched and ended, whichever it is. Sourced by scripts/broker
# before the system's own file in scripts/brokers/, which defines
#
#   title            its name for people
#   ports            array: "VARIABLE NUMBER" of each port, the first one being the clients'
#   start_seconds    how long a start may take
#   mark             an argument of the server's command line, by which it is known
#   remains          array: what every start begins without, beside data, pid and env
#   prepare          brings what the server needs: programs, certificates, settings
#   serve            becomes the server, by exec
#   answers          the server does its work; $1 is the clients' port
#   addresses        one line for people, after the env file was sourced
#   environment      lines "NAME VALUE" of the env file
#
# and may define give_up_also, settle (what is to be done once it answers) and end_also, and
#
#   end_seconds      how long it is asked to end; 0 where that is of no use, for its data goes anyway
#
# shellcheck shell=bash disable=SC2154

end_seconds=15

broker_start() {
    local pid ticks
    if running; then
        already_running
        return
    fi
    remove_remains
    ports_are_free
    # The server has a session of its own: a Ctrl-C does not reach it, so it is ended here;
    # what runs before it is waited for.
    trap 'give_up; exit 130' INT
    trap 'give_up; exit 143' TERM HUP
    mkdir -p "$home/data"
    prepare
    bring_up
    trap - INT TERM HUP
}

bring_up() {
    launch
    await_answer
    settle
    write_env
    say "$system: started, $(shown_addresses)"
}

broker_stop() {
    local pid ticks
    if running; then
        end_process "$pid" "$ticks"
        end_also
        remove_remains
        say "$system: stopped"
    else
        end_also
        remove_remains
        say "$system: was not running"
    fi
}

# As a power cut would: its data stays.
broker_kill() {
    local pid ticks
    running || die "$title does not run"
    kill -KILL "$pid"
    gone_within 5 "$pid" "$ticks" || die "process $pid does not end"
    say "$system: killed"
}

# With the data of the one that was killed.
broker_revive() {
    local pid ticks
    ! running || die "$title runs: scripts/broker $system kill"
    [[ -f $home/env ]] || die "no $title was killed here: scripts/broker $system start"
    trap 'give_up; exit 130' INT
    trap 'give_up; exit 143' TERM HUP
    bring_up
    trap - INT TERM HUP
}

broker_status() {
    local pid ticks
    if ! running; then
        say "$system: not running"
        return 3
    fi
    if [[ ! -f $home/env ]]; then
        say "$system: process $pid is starting"
        return 4
    fi
    if ! answers "$(port_in_use)"; then
        say "$system: process $pid runs and does not answer, see $home/$system.log"
        return 4
    fi
    say "$system: running, $(shown_addresses)"
}

# Parts that most systems do not need.
settle() { :; }
end_also() { :; }
give_up_also() { :; }

# Sets pid and ticks in the caller if the process we started is still that process.
running() {
    local argument
    [[ -f $home/pid ]] && read -r pid ticks <"$home/pid" && is_alive "$pid" "$ticks" || return 1
    while IFS= read -r -d '' argument; do
        [[ $argument != "$mark" ]] || return 0
    done 2>/dev/null <"/proc/$pid/cmdline"
    return 1
}

# In a shell of its own: the file sets the very variables that are compared.
# shellcheck source=/dev/null
shown_addresses() { (. "$home/env" && printf '%s, env file %s' "$(addresses)" "$home/env"); }

# The clients' port that the running server was started with.
port_in_use() { sed -n 's/^# port //p' "$home/env"; }

already_running() {
    [[ -f $home/env ]] || die "process $pid was left in the middle of its start: scripts/broker $system stop"
    local now name number
    now=$(port_in_use)
    read -r name number <<<"${ports[0]}"
    if [[ -n ${!name:-} && $now != "$number" ]]; then
        die "this checkout's $title already runs, on port $now and not $number: scripts/broker $system stop"
    fi
    answers "$now" || die "this checkout's $title runs (process $pid) and does not answer, see $home/$system.log: scripts/broker $system stop"
    say "$system: already running, $(shown_addresses)"
}

# Every start is a first start: only what was fetched and the last log are kept.
remove_remains() { rm -rf "$home/data" "$home/pid" "$home/env" "${remains[@]/#/$home/}"; }

ports_are_free() {
    local entry name number seen=' ' first
    first=${ports[0]% *}
    for entry in "${ports[@]}"; do
        read -r name number <<<"$entry"
        [[ $number =~ ^[0-9]+$ ]] && ((number > 0 && number < 65536)) || die "$name=$number is not a port"
        [[ $seen != *" $number "* ]] || die "$title needs ${#ports[@]} different ports, and $name=$number is given twice"
        seen+="$number "
        if port_answers "$number"; then
            die "port $number is taken by another program: choose another by $name, or all from $first on, e.g. $first=29092 scripts/broker $system start"
        fi
    done
}

# write_pid PID: a process, by its number and start time. Not $BASHPID in here: that would be another.
write_pid() { printf '%s %s\n' "$1" "$(started_at "$1")"; }

# Detached: a session of its own, no descriptor of ours, so neither a pipe nor the lock
# lives on in it. The pid file comes first, so that there is no server without one.
# Sets pid and ticks in the caller.
launch() {
    [[ ! -f $home/$system.log ]] || mv "$home/$system.log" "$home/$system.log.1"
    (
        close_inherited
        cd "$home" || exit
        write_pid "$BASHPID" >"$home/pid"
        # Not a group leader, so setsid does not fork and the PID stays the same.
        serve
    ) </dev/null >"$home/$system.log" 2>&1 &
    pid=$!
    ticks=$(started_at "$pid") || { show_log; die "$title ended at once"; }
}

# The start was interrupted: what the pid file names may still be on its way to being the server.
give_up() {
    local pid ticks
    give_up_also
    if [[ -s $home/pid ]] && read -r pid ticks <"$home/pid" && is_alive "$pid" "$ticks"; then
        end_process "$pid" "$ticks"
    fi
    end_also
    remove_remains
}

await_answer() {
    local until=$((SECONDS + start_seconds)) name number
    read -r name number <<<"${ports[0]}"
    until answers "$number"; do
        if ! is_alive "$pid" "$ticks"; then
            show_log
            end_also
            remove_remains
            die "$title ended while starting, see $home/$system.log"
        fi
        if ((SECONDS >= until)); then
            show_log
            end_process "$pid" "$ticks"
            end_also
            remove_remains
            die "$title did not answer on port $number within $start_seconds s, see $home/$system.log"
        fi
        sleep 0.2
    done
}

show_log() { tail -n 15 "$home/$system.log" >&2; }

# Asks, waits, then insists. The PID was verified by the caller and is before each signal.
end_process() {
    if ((end_seconds > 0)); then
        ! is_alive "$1" "$2" || kill -TERM "$1" 2>/dev/null || true
        gone_within "$end_seconds" "$1" "$2" && return
        warn "$title (process $1) did not end within $end_seconds s of SIGTERM: SIGKILL"
    fi
    ! is_alive "$1" "$2" || kill -KILL "$1" 2>/dev/null || true
    gone_within 5 "$1" "$2" || die "process $1 does not end"
}

write_env() {
    local name value
    {
        printf '# port %s\n' "${ports[0]#* }"
        while read -r name value; do
            printf 'export %s=%q\n' "$name" "$value"
        done < <(environment)
    } >"$home/env.new"
    mv "$home/env.new" "$home/env"
}

need_java() {
    need java openjdk-17-jre-headless
    need keytool openjdk-17-jre-headless
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [[ -n $version && $version -ge 17 ]] || die "$title needs Java 17 or newer, and java is ${version:-unknown}: install the package openjdk-17-jre-headless (Debian's name)"
}
