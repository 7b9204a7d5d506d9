"""A private apt: our own sources, lists and packages, for arm64.

The host's apt is read for its proxy settings and keyring and is otherwise
untouched: no foreign architecture is added, nothing is installed, no root is
needed. Signatures and checksums are apt's own work; the checksum of every
package is compared once more when it is used.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import cache, mirror, report

CONFIG = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "{user}";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Dir::State "{base}/state";
Dir::State::status "/dev/null";
Dir::Cache "{base}/cache";
Dir::Etc::sourcelist "{base}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""

# What apt says, and what that means to the user.
REASONS = [
    (r"no space left|enough free space|write error", report.CACHE,
     "the disk that holds {base} is full"),
    (r"could not resolve|temporary failure resolving", report.NETWORK,
     "cannot find {mirror}: no network, or no such mirror"),
    (r"could not connect|unable to connect|connection (failed|refused|timed"
     r"|reset)|network is unreachable|timed out", report.NETWORK,
     "cannot connect to {mirror}"),
    (r"no_pubkey|badsig|not signed|invalid signature|hash sum mismatch"
     r"|signatures? (were|was|could)n?'?t? ?(be )?(invalid|verified)|expkeysig",
     report.VERIFY, "what {mirror} sends is not what Debian signed"),
    (r"404|does not have a release file", report.NETWORK,
     "{mirror} does not hold Debian's {suite}"),
    (r"permission denied|read-only file system", report.CACHE,
     "cannot write to {base}"),
]


class Apt:
    """Packages of a suite; with sources=True, source packages instead, as
    the suite was released: what is built of them is not given to anybody.
    """

    def __init__(self, suite, address=None, base=None, sources=False):
        for tool in ("apt-get", "apt-cache", "dpkg-deb"):
            if not shutil.which(tool):
                raise report.Failure(
                    report.USAGE,
                    f"{tool} is not on this machine: Debian's packages are"
                    " fetched with apt; try `lull guest fetch alpine`")
        self.base = base or cache.root() / "debian"
        self.debs = self.base / "debs"
        self.sources = sources
        self.suite = suite
        self.mirror, self.security = mirror.find()
        if address:
            self.mirror, self.security = address.rstrip("/"), None
        self._configure()

    def _configure(self):
        if re.search(r'[\s"\[\]\\]', f"{self.mirror}{self.suite}{self.base}"):
            raise report.Failure(
                report.USAGE,
                "a mirror, suite or cache folder whose name has blanks,"
                " quotes or brackets cannot be given to apt")
        for part in ("state/lists/partial", "cache/archives/partial", "debs"):
            (self.base / part).mkdir(parents=True, exist_ok=True)
        kind = "deb-src" if self.sources else "deb"
        options = ("[target=Sources" if self.sources else
                   "[arch=arm64 target=Packages")
        if Path(mirror.KEYRING).exists():
            options += f" signed-by={mirror.KEYRING}"
        lines = [f"{kind} {options}] {self.mirror} {self.suite} main"]
        if self.security and not self.sources:
            lines += [
                f"{kind} {options}] {self.mirror} {self.suite}-updates main",
                f"{kind} {options}] {self.security} {self.suite}-security main",
            ]
        (self.base / "sources.list").write_text("\n".join(lines) + "\n")
        # The cache is private, so apt's own unprivileged user could not
        # read it when root runs this.
        user = "root" if os.geteuid() == 0 else ""
        (self.base / "apt.conf").write_text(
            CONFIG.format(base=self.base, user=user))

    def _run(self, *words, each_line=None, cwd=None):
        environment = dict(os.environ, LC_ALL="C")
        child = subprocess.Popen(
            [words[0], "-c", str(self.base / "apt.conf"), *words[1:]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", cwd=cwd,
            env=environment)
        said = []
        try:
            for line in child.stdout:
                said.append(line)
                if each_line:
                    each_line(line)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        if child.wait() != 0:
            raise self._failure("".join(said))
        return "".join(said)

    def _failure(self, said):
        names = {"mirror": self.mirror, "base": self.base,
                 "suite": self.suite}
        complaints = "\n".join(
            l for l in said.splitlines()
            if l.startswith(("E:", "W:", "Err:", " ")))
        for pattern, code, text in REASONS:
            if re.search(pattern, complaints, re.IGNORECASE):
                return report.Failure(code, text.format(**names))
        last = [l for l in complaints.splitlines() if l.startswith("E:")]
        text = last[0][2:].strip() if last else "apt gave no reason"
        return report.Failure(report.NETWORK, f"apt: {text}")

    def update(self):
        report.say(f"reading the package lists of {self.mirror}")
        self._run("apt-get", "-q", "--error-on=any", "update")

    def newest_kernel(self, metapackage):
        said = self._run("apt-cache", "depends", metapackage)
        found = re.search(r"Depends: (linux-image-\S+)", said)
        if not found:
            raise report.Failure(
                report.NETWORK, f"{self.mirror} has no {metapackage}")
        return found.group(1)

    def locate(self, packages):
        """Facts of each package: deb, package, version, bytes, sha256."""
        said = self._run("apt-get", "--print-uris", "download", *packages)
        found = {}
        for line in said.splitlines():
            match = re.match(r"'([^']+)' (\S+) (\d+) SHA256:(\w{64})", line)
            if match:
                deb = match.group(2)
                name, version, _ = deb.split("_")
                found[name] = {
                    "package": name, "deb": deb,
                    "version": version.replace("%3a", ":"),
                    "bytes": int(match.group(3)), "sha256": match.group(4),
                }
        for package in packages:
            if package not in found:
                raise report.Failure(
                    report.NETWORK, f"{self.mirror} has no {package}")
        return [found[package] for package in packages]

    def have(self, facts):
        path = self.debs / facts["deb"]
        return (path.is_file() and path.stat().st_size == facts["bytes"] and
                cache.sha256(path) == facts["sha256"])

    def download(self, wanted):
        missing = [f for f in wanted if not self.have(f)]
        if not missing:
            return
        total = sum(f["bytes"] for f in missing)
        cache.room_for(total + (20 << 20), self.base)
        report.say(f"fetching {len(missing)} packages,"
                   f" {report.size(total)}")
        sizes = {f["package"]: f["bytes"] for f in missing}

        def progress(line):
            match = re.match(r"Get:(\d+) \S+ \S+ \S+ (\S+) ", line)
            if match:
                package = match.group(2)
                report.say(f"  {match.group(1)}/{len(missing)} {package},"
                           f" {report.size(sizes.get(package, 0))}")

        for facts in missing:
            (self.debs / facts["deb"]).unlink(missing_ok=True)
        try:
            self._run("apt-get", "-q", "download",
                      *(f"{f['package']}={f['version']}" for f in missing),
                      each_line=progress, cwd=self.debs)
        finally:
            bad = [f for f in missing if not self.have(f)]
            for facts in bad:
                (self.debs / facts["deb"]).unlink(missing_ok=True)
            for part in (self.base / "cache/archives/partial").iterdir():
                part.unlink()
        if bad:
            raise report.Failure(
                    report.VERIFY,
                    f"{bad[0]['deb']} did not arrive with the checksum that"
                    " Debian signed")

    def upstream(self, names, folder):
        """Fetch each source package's upstream archive; (path, version)s."""
        report.say(f"fetching the sources of {', '.join(names)}")
        self._run("apt-get", "-q", "source", "--tar-only", "--download-only",
                  *names, cwd=folder)
        found = []
        for name in names:
            archives = list(folder.glob(f"{name}_*.orig.tar.*"))
            if len(archives) != 1:
                raise report.Failure(
                    report.NETWORK, f"{self.mirror} has no source of {name}")
            version = archives[0].name.split("_")[1].split(".orig.tar")[0]
            found.append((archives[0], version))
        return found

    def keep_only(self, debs):
        for path in self.debs.iterdir():
            if path.name not in debs:
                path.unlink(missing_ok=True)
