# Of cross/run: ARM cores, emulated. Says what they answer and how many instructions that takes; never how long.

SYSROOT=/usr/aarch64-linux-gnu # Debian's libraries for arm64
COUNT_SECONDS_MAX=900 # of ours, for one core: some ten times what it takes

# Debian's qemu 10 or newer runs every ARM binary from here on, through the kernel; qemu 7.2 crashes on ONNX Runtime.
emulation() {
    need qemu-aarch64-static "-t $DEBIAN-backports qemu-user-static"
    local version binfmt=/proc/sys/fs/binfmt_misc
    version=$(qemu-aarch64-static --version | sed -n '1s/.*version \([0-9]*\).*/\1/p')
    [ "$version" -ge 10 ] ||
        fail "expected qemu 10 or newer, got $version: apt-get install -t $DEBIAN-backports qemu-user-static"
    [ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt
    [ -e $binfmt/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf > $binfmt/register
}

emulate() {
    emulation
    build arm64
    [ -e $SYSROOT/lib/libstdc++.so.6 ] || fail "no C++ library for arm64 here: apt-get install libstdc++6-arm64-cross"
    export QEMU_LD_PREFIX=$SYSROOT CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 # nobody debugs these
    echo "== $CORES, side by side: a student answers on one thread, so that each takes a core of ours, for minutes"
    local core failed=()
    declare -A asked
    for core in $CORES; do
        QEMU_CPU=$core answers >"target/emulate-$core.log" 2>&1 &
        asked[$core]=$!
    done
    for core in $CORES; do
        wait "${asked[$core]}" || failed+=("$core")
        echo "== $core"
        cat "target/emulate-$core.log"
    done
    [ ${#failed[@]} = 0 ] || fail "${failed[*]} answers otherwise than it should"
}

# On the core that QEMU_CPU says.
answers() {
    # doctor says which kernels, and asks the bundle's golden questions, whose answers were made on x86-64.
    "$out/release/sokutou" doctor
    cargo test --locked "${target[@]}" --lib -- engine::products
    cargo test --locked "${target[@]}" --package sokutou-wire --test wire
    cargo test --locked "${target[@]}" --test it -- reference:: store::
}

# Boots a device whose clock goes on by a nanosecond with every instruction (-icount), so that `phases.rs`, which times each phase, counts
# them: by CPU time, so that what is only waited for does not count. One core, one thread, no disk, the same clock: two runs of a
# binary differ by some tenths of a percent, for hash tables are laid out by chance. The kernel's instructions are counted too. Says
# nothing of caches and of what an instruction costs.
count() {
    local save=$1 core kept
    work=$PWD/target/count
    need qemu-system-aarch64 qemu-system-arm
    need cpio
    choose arm64
    cargo build --locked --release --bins --example phases "${target[@]}" # two long links at once
    build arm64
    fetch
    for core in $CORES; do
        kept=benches/instructions/$core.json
        pack "$kept"
        boot "$core"
        grep -v '^{' "$work/$core.log" || true
        grep -q '^{' "$work/$core.log" || fail "no counts"
        if [ "$save" = --save ]; then
            grep '^{' "$work/$core.log" >"$kept"
        else
            grep -q '^COUNTED' "$work/$core.log" || fail "a phase takes more than is kept in $kept"
        fi
    done
}

# Debian's kernel for machines in clouds, which is small, and a shell; by apt, which checks their signatures, with lists of its own.
fetch() {
    local apt=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State::lists=$work/lists"
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
    [ -e "$work/root/boot" ] && return
    mkdir -p "$work/lists/partial" "$work/root"
    apt-get "${apt[@]}" -qq update
    local kernel
    kernel=$(apt-cache "${apt[@]}" -t bookworm depends linux-image-cloud-arm64 | sed -n 's/.*Depends: //p' | head -1)
    (cd "$work" && rm -f ./*.deb && apt-get "${apt[@]}" -qq download "$kernel" busybox-static)
    local package
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
}

# A root in memory: program and bench, their libraries, the student, what is kept, and an init that runs the bench and ends the machine.
pack() {
    local root=$work/initramfs
    rm -rf "$root" && mkdir -p "$root"/{bin,lib,proc,sys,dev,tmp,student}
    cp "$work/root/bin/busybox" "$root/bin/"
    cp "$out"/release/{sokutou,examples/phases} "$out"/onnxruntime-*/libonnxruntime.so.* "$root/bin/"
    local library
    for library in ld-linux-aarch64.so.1 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libgcc_s.so.1 libstdc++.so.6; do
        cp -L "$SYSROOT/lib/$library" "$root/lib/"
    done
    cp -r "$(sed -n 's/.*DEFAULT_BUNDLE: &str = "\(.*\)";/\1/p' src/lib.rs)"/. "$root/student/"
    [ ! -e "$1" ] || cp "$1" "$root/baseline.json"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox dd if=/dev/random of=/dev/null bs=1 count=1 2>/dev/null # a device that just woke has no chance to give out, and makes some
/bin/busybox ifconfig lo 127.0.0.1 up
export SOKUTOU_BUNDLE=/student
/bin/phases --gateway /bin/sokutou --baseline /baseline.json && echo COUNTED || echo "FAILED: $?"
/bin/busybox poweroff -f
INIT
    chmod +x "$root/init"
    # In one order and with one time: what the kernel unpacks is the same to the byte.
    find "$root" -exec touch -hd @0 {} +
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$work/initramfs.cpio"
}

# A nanosecond of the device's clock for every instruction.
boot() {
    echo "== $1"
    timeout $COUNT_SECONDS_MAX qemu-system-aarch64 -M virt,dtb-randomness=off,gic-version=3 -cpu "$1" -m 1G -smp 1 -nic none \
        -icount shift=0,sleep=off -rtc base=2026-01-01T00:00:00,clock=vm \
        -kernel "$work"/root/boot/vmlinuz-* -initrd "$work/initramfs.cpio" -display none -no-reboot -serial stdio </dev/null \
        -append "console=ttyAMA0 quiet norandmaps nokaslr panic=-1 random.trust_bootloader=off" | tr -d '\r' >"$work/$1.log" ||
        { tail -20 "$work/$1.log" >&2 && fail "the emulated device came to no end"; }
}
