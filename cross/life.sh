# Of cross/run: a package in a bare Debian, from one file to nothing left. Needs root; touches no Debian but those in target/debian.

# A bare Debian in $root, made once and copied for each run.
bare() {
    need debootstrap
    local base=target/debian/$DEBIAN-$1 more=()
    [ "$1" != amd64 ] || more=(--include=systemd-sysv) # to boot it
    root=target/debian/root-$1
    if [ ! -e "$base/complete" ]; then
        rm -rf "$base"
        debootstrap --variant=minbase --arch="$1" "${more[@]}" $DEBIAN "$base" >&2
        touch "$base/complete"
    fi
    rm -rf "$root"
    cp -a "$base" "$root"
}

# Runs a command in the root, with no network but a loopback of its own.
inside() {
    unshare --net --mount --pid --fork --kill-child sh -ec '
        root=$1 && shift
        ip link set lo up
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys" # where ONNX Runtime looks for the CPU first
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive QEMU_CPU="$QEMU_CPU" "$@"
    ' sh "$root" "$@"
}

life() {
    local arch=$1 short=$2 student question="type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=60"
    export QEMU_CPU=${CORES%% *} # the weaker one
    [ "$arch" = amd64 ] || emulation
    bare "$arch"
    student=$(sed -n 's|.*DEFAULT_BUNDLE: &str = "\(.*\)";|\1|p' src/lib.rs)
    cp "target/debian/sokutou_$arch.deb" "$root/tmp/new.deb"
    cp cross/inside.sh "$root/"

    if [ "$short" = short ]; then
        step "install from one file, without network" && inside dpkg --install /tmp/new.deb
    else
        deb --fast --deb-version 0.0.1-1 --output "$root/tmp/old.deb"
        step "install from one file, without network" && inside dpkg --install /tmp/old.deb
    fi
    inside dpkg --verify sokutou
    [ -L "$root/etc/systemd/system/multi-user.target.wants/sokutou.service" ] || fail "the service is not enabled"
    cmp "$root/usr/lib/sokutou/student/manifest.json" "$student/manifest.json" || fail "another student than $student"
    step "a question" && inside sokutou ask "$question" | tee "$root/answer"
    grep -q "^heat dissipation failure" "$root/answer" || fail "another answer"
    if [ "$short" = short ]; then return; fi # by a library that can only be the package's: nothing else is installed

    step "doctor" && inside sokutou doctor | tee "$root/doctor"
    grep -q "/usr/lib/sokutou/libonnxruntime.so" "$root/doctor" || fail "the library is not the package's"
    step "the configuration" && inside sokutou config check
    printf '\n[gateway]\nname = "press-3"\n[mqtt]\nenabled = false\n' >> "$root/etc/sokutou/sokutou.toml"
    inside sokutou config check | grep "OK .*gateway.name: press-3" || fail "the device's own file is not read"
    step "the gateway, as its user" && served one "$question"
    local recorded
    recorded=$(tail -n 1 "$root/answer.json")

    if [ "$arch" = amd64 ]; then
        step "the service, booted" && booted
    fi

    step "upgrade" && inside dpkg --install /tmp/new.deb
    inside dpkg-query --show --showformat '${Version}\n' sokutou | grep >/dev/null -v '^0\.0\.1' || fail "not upgraded"
    inside sokutou config check | grep >/dev/null "gateway.name: press-3" || fail "the upgrade lost the device's configuration"
    served one "$question"
    [ "$(tail -n 1 "$root/answer.json")" = "$recorded" ] || fail "the same request got another answer than the journal holds"
    served two "$question"

    step "remove" && inside dpkg --remove sokutou
    [ ! -e "$root/usr/bin/sokutou" ] && [ ! -e "$root/usr/lib/sokutou" ] || fail "the program is still there"
    [ -s "$root/var/lib/sokutou/journal/journal.db" ] || fail "the journal went with the program"
    grep -q press-3 "$root/etc/sokutou/sokutou.toml" || fail "the configuration went with the program"

    step "purge" && inside dpkg --purge sokutou
    local left
    left=$(find "$root" -path "$root/proc" -prune -o -path "$root/var/log" -prune -o -path "$root/var/tmp" -prune -o -name '*sokutou*' -print)
    [ -z "$left" ] || fail "left behind: $left"
    ! grep -q sokutou "$root/etc/passwd" "$root/etc/group" || fail "the user is still there"
    rm -rf "$root"
}

step() {
    printf '\n-- %s\n' "$*"
}

# The gateway for one question over HTTP, by the name $1.
served() {
    inside /inside.sh as_user "$@" || fail "the gateway gave no answer"
    [ "$(stat -c %a "$root/var/lib/sokutou")" = 750 ] || fail "the state folder is open to others"
}

# The same root, booted: the unit as systemd runs it, with its sandbox and its watchdog.
booted() {
    need systemd-nspawn systemd-container
    cat > "$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
After=sokutou.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/inside.sh under_systemd booted "type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=60"
StandardOutput=file:/check.out
UNIT
    ln -sf ../check.service "$root/etc/systemd/system/multi-user.target.wants/"
    local status=0
    timeout 400 systemd-nspawn --quiet --register=no --keep-unit --directory="$root" --private-network --boot \
        </dev/null >"$root/boot.out" 2>&1 || status=$?
    cat "$root/check.out"
    rm "$root"/etc/systemd/system/{,multi-user.target.wants/}check.service
    [ $status = 0 ] || fail "the service does not do under systemd what its unit says"
}
