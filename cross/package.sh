# Of cross/run: builds binary and package, and holds them against what a device bears. Changes nothing outside target/.

# What a device of this class and a slow line to it bear; half of it is SQLite, TLS and tokio alone.
BYTES_MAX=9437184
EXPOSURE_MAX=2.0 # of the unit, by systemd's own count: 0 is sealed, 10 is naked

# Sets target, for cargo, and out, the folder in which cargo leaves what it builds for it.
choose() {
    target=() out=target # this machine's own kind: what `cargo build` has built already
    [ "$1" = arm64 ] || return 0
    need aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    target=(--target aarch64-unknown-linux-gnu) out=target/aarch64-unknown-linux-gnu
}

build() {
    choose "$1"
    cargo build --locked --release --bins "${target[@]}"
    # Beside the binary is where it looks first, and where the package takes them from.
    local release=$out/release bytes floor file newest version home
    version=$(sed -n 's/^onnxruntime==\([0-9.]*\).*/\1/p' cross/onnxruntime.lock)
    home=$(echo "$out/onnxruntime-$version-"*)
    rm -f "$release"/libonnxruntime.so.* # an earlier version would be packaged too
    ln -f "$home/libonnxruntime.so.$version" "$release/"
    mkdir -p "$release/onnxruntime-notices"
    ln -f "$home"/{LICENSE,ThirdPartyNotices.txt} "$release/onnxruntime-notices/"
    bytes=$(stat -c %s "$release/sokutou")
    floor=$(sed -n 's/^depends = "libc6 (>= \([0-9.]*\)).*/\1/p' Cargo.toml)
    for file in "$release"/sokutou "$release"/libonnxruntime.so.*; do
        newest=$(readelf --dyn-syms --wide "$file" | grep -o '@GLIBC_[0-9.]*' | sort -uV | tail -1)
        echo "$file: $(stat -c %s "$file") bytes, asks for ${newest#@}, floor $floor"
        [ "$(printf '%s\n' "${newest#@GLIBC_}" "$floor" | sort -V | tail -1)" = "$floor" ] ||
            fail "$file asks for a newer glibc than the package promises"
    done
    [ "$bytes" -le "$BYTES_MAX" ] || fail "expected at most $BYTES_MAX bytes, got $bytes"
}

package() {
    need cargo-deb "nothing; cargo install --locked cargo-deb@3.8.0"
    need systemd-analyze systemd
    local exposure
    exposure=$(systemd-analyze security --offline=true cross/debian/sokutou.service | sed -n 's/.*Overall exposure.*: \([0-9.]*\) .*/\1/p')
    echo "exposure of the unit: $exposure, at most $EXPOSURE_MAX"
    [ "$(printf '%s\n' "$exposure" $EXPOSURE_MAX | sort -g | tail -1)" = $EXPOSURE_MAX ] || fail "the unit is not sealed enough"
    build "$1"
    deb --output "target/debian/sokutou_$1.deb"
    ls -l "target/debian/sokutou_$1.deb"
}

# The binary is built and stripped already.
deb() {
    cargo deb --quiet --locked --no-build --no-strip "${target[@]}" "$@"
}
