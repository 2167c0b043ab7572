import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { type FileLock, tryLock } from "@raft2kube/linux/flock.ts";
import { isIP } from "node:net";
import { CniError } from "../../lib/errors.ts";
import { LOCK_RETRY_MS, LOCK_WAIT_MS } from "../../limits.ts";

/** Who holds an address. */
export interface Owner {
  containerId: string;
  ifName: string;
}

/**
 * The addresses given out in one network: a folder with a file per address, as the reference plugin
 * has it, so that one can take over from the other. A file holds the container id, CR LF and the
 * interface.
 */
export interface AddressStore extends Disposable {
  /** Every address given out. Old files may lack the interface: it is empty then. */
  owners(): Map<string, Owner>;
  reserve(address: string, owner: Owner): void;
  release(address: string): void;
  /** The address given out last from a range set. */
  last(set: number): string | undefined;
  setLast(set: number, address: string): void;
}

/** The ending of a reservation's file until it is whole. */
const UNFINISHED = ".new";

/**
 * Opens a network's store and locks it against other processes. Error 11 (try again) after 10 s.
 */
export async function openStore(dataDir: string, network: string): Promise<AddressStore> {
  const dir = join(dataDir, network);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const lock = await takeLock(join(dir, "lock"));
  removeUnfinished(dir);
  const lastFile = (set: number) => join(dir, `last_reserved_ip.${set}`);
  return {
    owners() {
      const addresses = readdirSync(dir).filter((name) => isIP(name) !== 0);
      return new Map(addresses.map((address) => [address, readOwner(join(dir, address))]));
    },
    reserve(address, { containerId, ifName }) {
      // Whole or not at all: a file without an owner would keep its address for ever.
      const file = join(dir, address);
      writeFileSync(`${file}${UNFINISHED}`, `${containerId}\r\n${ifName}`, { mode: 0o600 });
      renameSync(`${file}${UNFINISHED}`, file);
    },
    release: (address) => rmSync(join(dir, address), { force: true }),
    last(set) {
      try {
        return readFileSync(lastFile(set), "utf8").trim();
      } catch (thrown) {
        if (isErrno(thrown, "ENOENT")) return undefined;
        throw thrown;
      }
    },
    setLast: (set, address) => writeFileSync(lastFile(set), address, { mode: 0o600 }),
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  };
}

/** Who holds the lock is alone: an unfinished reservation is that of a plugin that was killed. */
function removeUnfinished(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (name.endsWith(UNFINISHED)) rmSync(join(dir, name), { force: true });
  }
}

function readOwner(file: string): Owner {
  const [containerId = "", ifName = ""] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  return { containerId, ifName };
}

async function takeLock(path: string): Promise<FileLock> {
  const clock = systemClock();
  const end_ms = clock.monotonic() + LOCK_WAIT_MS;
  for (;;) {
    const lock = tryLock(path);
    if (lock) return lock;
    if (clock.monotonic() >= end_ms) {
      const what = `${path} was locked by another process for ${LOCK_WAIT_MS} ms`;
      throw new CniError("try-again", what);
    }
    await delay(clock, LOCK_RETRY_MS);
  }
}
