import { createServer } from "node:net";
import { randomInteger, systemRandom } from "@raft2kube/std/random.ts";

/** Ports returned by this process: they may not be in use yet. */
const returned = new Set<number>();

/**
 * A TCP port of the loopback that is free now, and likely to stay so: the kernel gives none below
 * 32,768 to connections going out, and never the same port twice.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInteger(systemRandom, 10_000, 32_000);
    if (returned.has(port)) continue;
    returned.add(port);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
