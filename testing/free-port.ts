import { createServer } from "node:net";
import { randomInteger, systemRandom } from "@raft2kube/std/random.ts";

/** The range ends below Services' node ports: tests choose some, clusters take them at random. */
const FIRST = 10_000;
const END = 30_000;

/** Ports returned by this process: they may not be in use yet. */
const returned = new Set<number>();

/**
 * A TCP port of the loopback that is free now, and likely to stay so: the kernel gives none below
 * 32,768 to connections going out. It is this process's until that ends, also while nothing listens
 * on it: a server that restarts finds it free.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInteger(systemRandom, FIRST, END);
    if (returned.has(port)) continue;
    returned.add(port);
    if ((await isUnclaimed(port)) && (await isFree(port))) return port;
  }
}

/** Claims a port from other processes of tests, by a name that the kernel frees with this one. */
function isUnclaimed(port: number): Promise<boolean> {
  if (process.platform !== "linux") return Promise.resolve(true);
  return new Promise((resolve) => {
    const claim = createServer()
      .once("error", () => resolve(false))
      .unref();
    claim.listen(`\0r2k-test-port-${port}`, () => resolve(true));
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
