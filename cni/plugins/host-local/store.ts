import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { join } from "node:path";
import { type FileLock, tryLock } from "@raft2kube/linux/file/flock.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { CniError } from "../../lib/errors.ts";
import { LOCK_RETRY_MS, LOCK_WAIT_MS } from "../../limits.ts";

/** The owner of an address. */
export type Owner = { containerId: string; ifName: string };

/**
 * The allocated addresses of one network: a directory with a file per address, in the reference
 * plugin's format, so that either can replace the other. A file contains the container id, CR LF
 * and the interface.
 */
export interface AddressStore extends Disposable {
  /** Returns all allocated addresses. Old files may lack the interface, which is then empty. */
  owners(): Map<string, Owner>;
  reserve(address: string, owner: Owner): void;
  release(address: string): void;
  /** Returns the address of a range set that was allocated last. */
  last(set: number): string | undefined;
  setLast(set: number, address: string): void;
}

/** Suffix of a reservation's file until it is complete. */
const UNFINISHED = ".new";

/**
 * Opens and locks a network's store. Error 11 (try again) if it stays locked for 10 s.
 */
export async function openStore(dataDir: string, network: string): Promise<AddressStore> {
  const dir = join(dataDir, network);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const lock = await takeLock(join(dir, "lock"));
  removeUnfinished(dir);
  const lastFile = (set: number) => join(dir, `last_reserved_ip.${set}`);
  return {
    owners() {
      const addresses = readdirSync(dir).filter(isAddress);
      return new Map(addresses.map((address) => [address, readOwner(join(dir, address))]));
    },
    reserve(address, { containerId, ifName }) {
      // Atomically: a file without an owner would never be deleted.
      const file = join(dir, address);
      writeFileSync(`${file}${UNFINISHED}`, `${containerId}\r\n${ifName}`, { mode: 0o600 });
      renameSync(`${file}${UNFINISHED}`, file);
    },
    release: (address) => rmSync(join(dir, address), { force: true }),
    last(set) {
      return tolerateSync(() => readFileSync(lastFile(set), "utf8").trim(), errno("ENOENT"));
    },
    setLast: (set, address) => writeFileSync(lastFile(set), address, { mode: 0o600 }),
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  };
}

/** Node compiles its expression of IPv6 addresses for a millisecond or more: for those only. */
const isAddress = (name: string) => isIPv4(name) || (name.includes(":") && isIPv6(name));

/** Removes unfinished reservations: under the lock, they are those of plugins that were killed. */
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
