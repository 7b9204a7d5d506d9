#!/bin/sh
# Build QEMU's HVF accelerator with the patches of qemu/patches: on Linux
# against our Hypervisor.framework, on macOS against Apple's.
#
#   scripts/rebuild-qemu.sh                  fetch, patch, configure, build ours
#   scripts/rebuild-qemu.sh quick            compile again after an edit
#   scripts/rebuild-qemu.sh --variant NAME   another WFI: stock, 11.0-form,
#                                            halted-only, upstream-repair,
#                                            ours-pselect, ours; some of them
#                                            (NAME,NAME), or all
#   scripts/rebuild-qemu.sh --small          what tests need and no more, not
#                                            optimised: in a third of the time
#   scripts/rebuild-qemu.sh --source FILE    an upstream tarball (or a URL);
#             [--sha256 SUM]                 its checksum; a URL needs one
#   scripts/rebuild-qemu.sh --version V      another version than the one the
#                                            patches were made for
#
# Without --source the source is Debian's, fetched and verified by a private
# apt that reads the host's mirror and changes nothing of the host's. Everything
# is kept in $XDG_CACHE_HOME/lull/qemu.
#
# Exit codes: 1 usage or a missing tool, 2 network, 3 the cache, 4 what arrived
# is not what was signed, 5 a patch does not apply, 6 configure or compiler.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
case ${XDG_CACHE_HOME-} in
/*) cache=$XDG_CACHE_HOME/lull/qemu ;;
*) cache=$HOME/.cache/lull/qemu ;;
esac
lull_build=${LULL_BUILD:-$root/build}
jobs=${JOBS:-2}
tried=10.2.2 # versions that this was run with
suites="trixie-backports forky sid"
meson_suite=bookworm-backports
system=$(uname -s)

say() {
    echo "rebuild-qemu: $*" >&2
}

die() {
    code=$1
    shift
    say "$@"
    exit "$code"
}

need() {
    for tool; do
        command -v "$tool" >/dev/null || die 1 "$tool is not on this machine"
    done
}

# ---- arguments --------------------------------------------------------------

quick=no small=no source='' sha256='' version='' variant=ours
while [ $# -gt 0 ]; do
    case $1 in
    quick) quick=yes ;;
    --small) small=yes ;;
    --source | --sha256 | --version | --variant)
        [ $# -ge 2 ] || die 1 "$1 needs a value"
        case $1 in
        --source) source=$2 ;;
        --sha256) sha256=$2 ;;
        --version) version=$2 ;;
        --variant) variant=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) die 1 "no option $1 (see --help)" ;;
    esac
    shift
done
all="stock 11.0-form halted-only upstream-repair ours-pselect ours"
[ "$variant" = all ] && variant=$all
variants=$(echo "$variant" | tr , ' ')
for name in $variants; do
    case " $all " in
    *" $name "*) ;;
    *) die 1 "no variant $name (see --help)" ;;
    esac
done
if [ -n "$source" ] && [ -z "$version" ]; then
    version=$(basename "$source" | sed -n 's/^qemu[-_]\([0-9.]*[0-9]\).*/\1/p')
    [ -n "$version" ] || die 1 "what version is $source? Say --version"
fi
[ -n "$version" ] || version=$tried
patches=$root/qemu/patches/$version
if [ ! -d "$patches" ]; then
    say "warning: never tried with QEMU $version, only with $tried;" \
        "taking the patches for $tried"
    patches=$root/qemu/patches/$tried
fi
top=$cache/$version
src=$top/src
build=$top/build
bin=$top/bin
if [ $small = yes ]; then
    build=$top/build-small
    bin=$top/bin-small
fi
mkdir -p "$top" || die 3 "cannot write to $top"

# ---- a private apt ----------------------------------------------------------

apt_setup() {
    need apt-get apt-cache dpkg-deb dpkg-source python3
    apt=$cache/apt
    set -- "$apt"/state/lists/*_Sources*
    [ -f "$apt/apt.conf" ] && [ -e "$1" ] && return
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" ||
        die 3 "cannot write to $apt"
    mirror=$(PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$root/scripts python3 -c \
        'from guestlib import mirror; print(mirror.find()[0])') ||
        die 1 "cannot read the host's apt sources"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    signed=
    [ -f $keyring ] && signed="signed-by=$keyring"
    user=
    [ "$(id -u)" = 0 ] && user=root
    cat >"$apt/apt.conf" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "$user";
Acquire::Languages "none";
Acquire::Retries "2";
Dir::State "$apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
EOF
    for suite in $suites; do
        echo "deb-src [$signed target=Sources] $mirror $suite main"
    done >"$apt/sources.list"
    echo "deb [$signed target=Packages] $mirror $meson_suite main" \
        >>"$apt/sources.list"
    say "reading the source lists of $mirror"
    apt_run apt-get -q --error-on=any update
}

# Run a tool of apt's; on failure say which kind it was.
apt_run() {
    tool=$1
    shift
    LC_ALL=C "$tool" -c "$apt/apt.conf" "$@" >"$apt/log" 2>&1 && return
    grep -E '^(E|Err|W):' "$apt/log" >&2
    if grep -qiE 'no_pubkey|badsig|not signed|hash sum|invalid sig' "$apt/log"
    then
        die 4 "what the mirror sends is not what Debian signed"
    elif grep -qiE 'no space left|write error' "$apt/log"; then
        die 3 "the disk that holds $cache is full"
    fi
    die 2 "the mirror cannot be reached or does not hold it"
}

# ---- source -----------------------------------------------------------------

from_debian() {
    set -- "$cache/dl/qemu_$version+ds-"*.dsc
    if [ ! -f "$1" ]; then
        apt_setup
        package=$(apt-cache -c "$apt/apt.conf" showsrc --only-source qemu |
            sed -n 's/^Version: //p' | sort -uV)
        exact=$(echo "$package" | grep "^1:$version+ds-" | tail -1)
        [ -n "$exact" ] || die 2 "Debian's archive has no QEMU $version" \
            "in $suites, only: $(echo "$package" | tr '\n' ' ')" \
            "- give a tarball with --source"
        say "fetching Debian's qemu $exact"
        mkdir -p "$cache/dl" || die 3 "cannot write to $cache"
        (cd "$cache/dl" && apt_run apt-get -q source --download-only \
            --only-source "qemu=$exact") || exit
        set -- "$cache/dl/qemu_$version+ds-"*.dsc
    fi
    # apt compared every file with the signed list; the .dsc's own signature
    # is the maintainer's, whose key this host need not have.
    dpkg-source --no-check -x --skip-patches "$1" "$src.new" >/dev/null ||
        die 3 "cannot unpack $1"
    # What lets Debian build without the parts that it removed.
    for name in skip-unpack-edk2-blobs skip-install-dtb disable-pycotap; do
        patch=$src.new/debian/patches/$name.patch
        [ -f "$patch" ] || continue
        patch -d "$src.new" -p1 -s <"$patch" ||
            die 5 "Debian's own $name.patch does not apply"
    done
}

from_tarball() {
    file=$source
    case $source in
    http://* | https://*)
        need curl
        [ -n "$sha256" ] || die 1 "a URL needs --sha256"
        mkdir -p "$cache/dl"
        file=$cache/dl/$(basename "$source")
        curl -fL --retry 2 -o "$file" "$source" || die 2 "cannot fetch $source"
        ;;
    esac
    [ -f "$file" ] || die 1 "no file $file"
    sum=$({ sha256sum "$file" 2>/dev/null || shasum -a 256 "$file"; } |
        cut -d' ' -f1)
    if [ -n "$sha256" ] && [ "$sum" != "$sha256" ]; then
        die 4 "$file has the SHA-256 $sum, not $sha256"
    fi
    [ -n "$sha256" ] || say "warning: $file is taken as it is, SHA-256 $sum"
    mkdir "$src.new" || die 3 "cannot write to $top"
    tar -xf "$file" -C "$src.new" --strip-components=1 ||
        die 3 "cannot unpack $file"
}

# The source is a git repository of its own: a variant is a branch, and its
# patches can be edited as commits.
prepare() {
    need git patch
    rm -rf "$src.new"
    if [ -n "$source" ]; then
        from_tarball
    elif [ "$system" = Linux ]; then
        from_debian
    else
        die 1 "give QEMU's release tarball: --source qemu-$tried.tar.xz"
    fi
    git -C "$src.new" init -q
    git -C "$src.new" config user.name lull
    git -C "$src.new" config user.email lull@localhost
    git -C "$src.new" add -A -f
    git -C "$src.new" commit -qm "QEMU $version" || die 3 "git commit failed"
    git -C "$src.new" tag pristine
    mv "$src.new" "$src" || die 3 "cannot write to $top"
}

# ---- patches ----------------------------------------------------------------

apply() {
    for patch; do
        git -C "$src" am -q "$patch" >/dev/null 2>&1 && continue
        git -C "$src" am --abort 2>/dev/null
        say "$(basename "$patch") does not apply to QEMU $version:"
        git -C "$src" apply --check "$patch" 2>&1 | grep '^error' >&2
        git -C "$src" apply --check "$patch" 2>&1 |
            sed -n 's/^error: patch failed: \(.*\):\([0-9]*\)$/\1 \2/p' |
            while read -r file line; do
                hunk "$patch" "$file" "$line" >&2
            done
        die 5 "apply it, and what follows it in $(dirname "$patch"), by hand" \
            "in $src (git am --reject), then run" \
            "'$0 --version $version quick'; or take QEMU $tried"
    done
}

# The hunk of a patch that begins at a line of a file
hunk() {
    awk -v file="b/$2" -v line="$3" '
        /^diff --git / { here = $4 == file }
        /^(@@|diff|-- $)/ { on = 0 }
        here && index($0, "@@ -" line ",") == 1 { on = 1 }
        on' "$1"
}

# The patches of a variant, and a number that changes with them.
series_of() {
    name=$1
    v=$patches/variants
    series=
    [ "$system" = Darwin ] || series=$(ls "$patches"/linux/*.patch)
    case $name in
    stock) ;;
    11.0-form) series="$series $v/11.0-form.patch" ;;
    halted-only | upstream-repair)
        series="$series $v/11.0-form.patch $v/$name.patch"
        ;;
    ours-pselect) # without the library
        series="$series $(ls "$patches"/ours/000[1-5]-*.patch)"
        ;;
    ours) series="$series $(ls "$patches"/ours/*.patch)" ;;
    esac
    # shellcheck disable=SC2086 # a list of words, here and below
    want=$(cat $series /dev/null | cksum)
}

# Built before from the same patches, and no library is newer?
is_built() {
    [ "$(cat "$bin/$name.patches" 2>/dev/null)" = "$want" ] || return 1
    [ -x "$bin/qemu-$name" ] || return 1
    for library in $targets; do
        [ -z "$(find "$lull_build/$library" \
            -newer "$bin/qemu-$name")" ] || return 1
    done
}

# A variant is a branch; files that do not change keep their time stamps.
patch_variant() {
    if [ "$(git -C "$src" config "lull.$name.patches")" = "$want" ] &&
        git -C "$src" checkout -q "$name" 2>/dev/null; then
        return
    fi
    git -C "$src" config --unset "lull.$name.patches"
    git -C "$src" checkout -q -B "$name" pristine ||
        die 1 "$src has edits: commit or discard them, or say quick"
    # shellcheck disable=SC2086
    apply $series
    git -C "$src" config "lull.$name.patches" "$want"
}

# ---- build ------------------------------------------------------------------

# QEMU wants meson 1.5; Debian 12's own is older, its backport is not.
meson_setup() {
    have=$(meson --version 2>/dev/null || echo 0)
    if [ "$(printf '%s\n1.5\n' "$have" | sort -V | head -1)" = 1.5 ]; then
        return
    fi
    if [ ! -d "$cache/meson/usr" ]; then
        [ "$system" = Linux ] || die 1 "meson 1.5 or newer is needed"
        apt_setup
        say "fetching a newer meson than $have"
        mkdir -p "$cache/dl"
        (cd "$cache/dl" && apt_run apt-get -q download meson) || exit
        dpkg-deb -x "$cache"/dl/meson_*.deb "$cache/meson" ||
            die 3 "cannot unpack meson"
    fi
    PYTHONPATH=$cache/meson/usr/lib/python3/dist-packages
    export PYTHONPATH
}

libraries() {
    need ninja pkg-config
    if [ ! -f "$lull_build/build.ninja" ]; then
        (unset PYTHONPATH && meson setup "$lull_build" "$root") \
            >"$top/lull.log" 2>&1 ||
            die 6 "our own build does not configure: $top/lull.log"
    fi
    targets=src/idle/liblull-idle.a
    [ "$system" = Darwin ] || targets="$targets src/hv/libhypervisor.a"
    # shellcheck disable=SC2086
    (unset PYTHONPATH && nice ninja -C "$lull_build" -j "$jobs" $targets) \
        >"$top/lull.log" 2>&1 ||
        die 6 "our libraries do not compile: $top/lull.log"
    PKG_CONFIG_PATH=$lull_build/meson-uninstalled:${PKG_CONFIG_PATH-}
    export PKG_CONFIG_PATH
    # ninja does not know that QEMU depends on them.
    for library in $targets; do
        if [ -n "$(find "$lull_build/$library" -newer \
            "$build/qemu-system-aarch64" 2>/dev/null)" ]; then
            rm -f "$build/qemu-system-aarch64"
        fi
    done
}

setup() {
    # meson remembers where it found the libraries: for others, look again.
    if [ -f "$build/build.ninja" ] &&
        [ "$(cat "$build/lull-build")" != "$lull_build" ]; then
        "$build/pyvenv/bin/meson" setup --reconfigure --clearcache \
            -Dpkg_config_path="$PKG_CONFIG_PATH" "$build" "$src" \
            >"$build/configure.log" 2>&1 || rm -rf "$build"
        rm -f "$build/qemu-system-aarch64"
    fi
    if [ -f "$build/build.ninja" ]; then
        echo "$lull_build" >"$build/lull-build"
        return
    fi
    # libfdt need not come with a .pc
    pkg-config --exists glib-2.0 slirp zlib || die 1 "QEMU needs the" \
        "development files of glib 2, slirp, zlib and libfdt:" \
        "scripts/bootstrap --qemu"
    set -- --target-list=aarch64-softmmu --without-default-features \
        --enable-system --disable-user --enable-hvf --disable-kvm \
        --disable-tcg --enable-fdt=system --disable-docs --disable-tools
    if [ $small = yes ]; then
        set -- "$@" -Doptimization=0 -Ddebug=false --enable-trace-backends=nop
    else
        set -- "$@" --enable-slirp
    fi
    # An option of ours: other variants do not know it.
    grep -q lull_idle "$src/meson_options.txt" && set -- "$@" --enable-lull-idle
    if [ "$system" != Darwin ]; then
        set -- "$@" --disable-install-blobs --without-default-devices \
            --with-devices-aarch64=hvf-linux \
            -Dforce_fallback_for=appleframeworks
    fi
    mkdir -p "$build" || die 3 "cannot write to $build"
    cd "$build" || die 3 "no $build"
    say "configuring (log: $build/configure.log)"
    if ! nice "$src/configure" "$@" >configure.log 2>&1; then
        rm -f build.ninja
        grep -iE 'error|not found' configure.log | tail -5 >&2
        die 6 "QEMU does not configure: $build/configure.log"
    fi
    echo "$lull_build" >lull-build
}

# A build that was configured for another variant learns of our option.
enable_lull_idle() {
    [ -f "$src/target/arm/hvf/wait-lull.c" ] || return 0
    grep -q wait-lull build.ninja && return
    pyvenv/bin/meson setup --reconfigure -Dlull_idle=enabled . "$src" \
        >configure.log 2>&1 ||
        die 6 "QEMU does not configure again: $build/configure.log"
}

compile() {
    name=$1
    cd "$build" || die 3 "no $build"
    enable_lull_idle
    say "compiling $name (log: $build/ninja.log)"
    if ! nice ninja -j "$jobs" qemu-system-aarch64 >ninja.log 2>&1; then
        grep -E ' error: |undefined reference' ninja.log | head -10 >&2
        die 6 "QEMU does not compile: $build/ninja.log"
    fi
    mkdir -p "$bin"
    rm -f "$bin/$name.patches"
    if ! cp qemu-system-aarch64 "$bin/.new" ||
        ! mv "$bin/.new" "$bin/qemu-$name"; then
        die 3 "cannot write to $bin"
    fi
    if [ "$system" = Darwin ]; then
        # QEMU's build signs its own; a copy keeps that. Look, to be sure.
        codesign -d --entitlements - "$bin/qemu-$name" 2>/dev/null |
            grep -q com.apple.security.hypervisor ||
            codesign -f -s - --entitlements "$src/accel/hvf/entitlements.plist" \
                "$bin/qemu-$name" || die 6 "cannot sign qemu-$name"
    fi
    echo "$bin/qemu-$name"
}

if [ $quick = yes ]; then
    [ -d "$src/.git" ] || die 1 "nothing to rebuild: run it without quick first"
    [ -f "$build/lull-build" ] && lull_build=$(cat "$build/lull-build")
    meson_setup
    libraries
    setup
    compile "$(git -C "$src" rev-parse --abbrev-ref HEAD)"
else
    [ -d "$src" ] || prepare
    meson_setup
    libraries
    for one in $variants; do
        series_of "$one"
        if is_built; then
            echo "$bin/qemu-$name"
            continue
        fi
        patch_variant
        setup
        compile "$one"
        echo "$want" >"$bin/$name.patches"
    done
fi
say "run one with: PROGRAM -accel hvf -M virt,gic-version=3 -cpu host -smp 4" \
    "-m 512M -display none -serial stdio -nic none -kernel KERNEL" \
    "-initrd INITRD -append console=ttyAMA0"
