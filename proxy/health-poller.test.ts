import { createServer, type Server } from "node:http";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { turn } from "@raft2kube/std/slices.ts";
import { expect, it, onTestFinished } from "vitest";
import { listening } from "../testing/listening.ts";
import { HealthPoller, type HealthTarget } from "./health-poller.ts";
import { HEALTH_POLL_MS, HEALTH_RETRY_MS, HEALTHZ_PORT } from "./limits.ts";

it("a target is unhealthy after two failures in a row, and healthy after one success", async () => {
  const clock = new ManualClock();
  const asked: HealthTarget[] = [];
  let answer = true;
  let changes = 0;
  const poller = new HealthPoller({
    clock,
    changed: () => changes++,
    check(target) {
      asked.push(target);
      return Promise.resolve(answer);
    },
  });
  onTestFinished(() => poller.close());
  const target = { address: "10.200.0.2", port: HEALTHZ_PORT };
  /** Lets one round of checks start and end. */
  async function round(after_ms = HEALTH_POLL_MS): Promise<void> {
    clock.advance(after_ms);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
  expect(poller.health(target)).toBeUndefined();
  poller.watch([target]);
  await round();
  expect([poller.health(target), changes]).toEqual([true, 1]);
  answer = false;
  await round();
  expect(poller.health(target)).toBe(true);
  await round(HEALTH_RETRY_MS);
  expect([poller.health(target), changes]).toEqual([false, 2]);
  answer = true;
  await round();
  expect([poller.health(target), changes]).toEqual([true, 3]);
  poller.watch([]);
  const { length } = asked;
  await round();
  await round();
  expect(asked).toHaveLength(length);
});

it("checks of many targets leave turns of the loop to others", async () => {
  const clock = systemClock();
  const targets = Array.from({ length: 20 }, (_, at) => ({ address: "10.200.0.2", port: at }));
  let asked = 0;
  const poller = new HealthPoller({
    clock,
    changed: () => undefined,
    async check() {
      const until_ms = clock.monotonic() + 5;
      while (clock.monotonic() < until_ms);
      asked++;
      return true;
    },
  });
  onTestFinished(() => poller.close());
  poller.watch(targets);
  const seen = new Set<number>();
  while (asked < targets.length) {
    await turn();
    seen.add(asked);
  }
  expect(seen.size).toBeGreaterThan(5);
});

it("a node that answers another protocol is unhealthy, and does not end the checks", async () => {
  const listens = async (server: Server): Promise<HealthTarget> => {
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { address: "127.0.0.1", port: await listening(server) };
  };
  const switches = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
  const hostile = await listens(createServer((_, { socket }) => socket?.write(switches)));
  let asked = 0;
  const good = await listens(createServer((_, response) => void response.end(String(++asked))));
  const poller = new HealthPoller({ clock: systemClock(), changed: () => undefined });
  // Not waited for: with a check that never ends it would not end either.
  onTestFinished(() => void poller.close());
  poller.watch([hostile, good]);
  await expect.poll(() => asked).toBeGreaterThan(1);
  expect([hostile, good].map((each) => poller.health(each))).toEqual([false, true]);
});
