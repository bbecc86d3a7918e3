#!/bin/bash
# What `cross/run life` does inside the bare Debian, where there is no client of HTTP but bash itself:
#   inside.sh as_user ID QUESTION        the gateway as the service's user, for one question by that name
#   inside.sh under_systemd ID QUESTION  the service: asked, hung, killed, misconfigured; needs a systemd that runs
set -euo pipefail

SECONDS_MAX=180 # to get ready; an emulated ARM core takes a tenth of it

as_user() {
    setpriv --reuid sokutou --regid sokutou --init-groups sokutou serve &
    answers "$@"
    kill -TERM %1
    wait %1
}

under_systemd() {
    answers "$@"
    systemctl show sokutou --property ActiveState,StatusText,NRestarts,MemoryCurrent
    [ "$(systemctl show sokutou --property ActiveState --value)" = active ] # so it has said that it is ready

    echo "hung: the watchdog has it killed and started again"
    systemctl kill --signal STOP sokutou
    restarted 1 && answers "$@"

    echo "killed: it is started again"
    systemctl kill --signal KILL sokutou
    restarted 2 && answers "$@"

    echo "misconfigured: it says so and is not started again"
    mkdir -p /etc/sokutou/conf.d
    echo '[nowhere]' > /etc/sokutou/conf.d/wrong.toml
    systemctl restart sokutou && return 1
    sleep 10
    systemctl show sokutou --property ActiveState,ExecMainStatus,NRestarts
    [ "$(systemctl show sokutou --property ActiveState,ExecMainStatus --value | sort | xargs)" = "78 failed" ]
    journalctl --unit sokutou --output cat | grep nowhere
    rm /etc/sokutou/conf.d/wrong.toml
    systemctl restart sokutou && answers "$@"
}

restarted() {
    for _ in $(seq $SECONDS_MAX); do
        [ "$(systemctl show sokutou --property NRestarts --value)" != "$1" ] || return 0
        sleep 1
    done
    return 1
}

answers() {
    for _ in $(seq $SECONDS_MAX); do
        ! http GET /healthz "" | grep >/dev/null "200 OK" || break
        sleep 1
    done
    http POST /v1/ask "{\"id\": \"$1\", \"client\": \"line\", \"question\": \"$2\"}" | tee /answer.json
    grep -q '"answer":"heat dissipation failure"' /answer.json
}

http() {
    exec 3<>/dev/tcp/127.0.0.1/8620 || return 1
    printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' "$1" "$2" >&3
    printf 'Content-Type: application/json\r\nPrefer: wait=30\r\nContent-Length: %d\r\n\r\n%s' "${#3}" "$3" >&3
    cat <&3
} 2>/dev/null

"$@"
