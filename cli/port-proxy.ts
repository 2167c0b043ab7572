// The program named `port-proxy` in the image of `r2k image port-proxy`.
import { lookup } from "node:dns/promises";
import { logger } from "@raft2kube/observe/log.ts";
import { readPortProxyArguments, startPortProxy } from "@raft2kube/proxy/port-proxy.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { runProgram } from "./terminal.ts";

async function main(args: readonly string[]): Promise<void> {
  const spec = readPortProxyArguments(args);
  const proxy = await startPortProxy(spec, {
    clock: systemClock(),
    log: logger("port-proxy"),
    async lookup(name) {
      const found = await lookup(name, { family: 4, all: true });
      return found.map(({ address }) => address);
    },
  });
  process.once("SIGTERM", () => void proxy.close());
  process.once("SIGINT", () => void proxy.close());
}

runProgram(main(process.argv.slice(2)));
