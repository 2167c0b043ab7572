import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ManualClock, type Timer } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { listening } from "../../../testing/listening.ts";
import { withLease } from "./lease.ts";

const AWAY_MS = 30_000;

/** A clock that each pause between two attempts for the lease moves, and nothing else. */
class AttemptClock extends ManualClock {
  override after(delay_ms: number, fn: () => void): Timer {
    const timer = super.after(delay_ms, fn);
    if (delay_ms >= 2_000 && delay_ms < 3_000) setImmediate(() => this.advance(delay_ms));
    return timer;
  }
}

/** Upgrades a machine whose API server is away at first; resolves with how often work was done. */
async function upgraded(goesOn: boolean): Promise<number> {
  const clock = new AttemptClock();
  let lease: unknown;
  const server = createServer(async (request, response) => {
    const isAway = clock.now() < AWAY_MS;
    if (!isAway && request.method !== "GET") lease = await json(request);
    response.writeHead(isAway ? 503 : lease ? 200 : 404);
    response.end(JSON.stringify(lease ?? { kind: "Status" }));
  });
  const port = await listening(server);
  onTestFinished(() => void server.close());
  using client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock, userAgent: "test" });
  const context = { nodeName: "cp-1", clock, signal: new AbortController().signal };
  let done = 0;
  await withLease(context, client, async () => void done++, goesOn);
  return done;
}

test("an upgrade that goes on waits for an API server that starts again", async () => {
  expect(await upgraded(true)).toBe(1);
  await expect(upgraded(false)).rejects.toMatchObject({ code: "BUSY" });
});
