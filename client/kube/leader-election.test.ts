import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import { afterEach, describe, expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { LeaderElection, planElection } from "./leader-election.ts";
import { KubeClient } from "./rest/client.ts";

const RENEW_DEADLINE_MS = 10_000;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function lease(holderIdentity: string): Lease {
  return { metadata: { name: "l" }, spec: { holderIdentity, leaseDurationSeconds: 15 } };
}

describe("planElection", () => {
  test.each([
    ["no lease yet", undefined, 0, "create"],
    ["own lease", lease("me"), 0, "renew"],
    ["own lease, however old", lease("me"), 1_000_000, "renew"],
    ["released", lease(""), 0, "take"],
    ["another's, just changed", lease("other"), 0, "wait"],
    ["another's, almost old enough", lease("other"), 14_999, "wait"],
    ["another's, unchanged for its duration", lease("other"), 15_000, "take"],
  ])("%s", (_name, seen, unchanged_ms, step) => {
    expect(planElection(seen, "me", unchanged_ms)).toBe(step);
  });
});

/** An election that leads; `answers.silent` has a server's requests that get no answer. */
async function leader(lead: (stop: AbortSignal) => Promise<void>) {
  const clock = new ManualClock();
  const answers = { silent: undefined as ServerResponse[] | undefined };
  let lease: unknown;
  const server = createServer(async (request, response) => {
    if (answers.silent) return void answers.silent.push(response);
    if (request.method !== "GET") lease = await json(request);
    response.writeHead(lease ? 200 : 404);
    response.end(JSON.stringify(lease ?? { kind: "Status", reason: "NotFound", code: 404 }));
  });
  const port = await listening(server);
  cleanups.push(() => server.close());
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock });
  const terms: { stop: AbortSignal; lost: AbortSignal }[] = [];
  const election = new LeaderElection({
    client,
    lease: { namespace: "kube-system", name: "l" },
    identity: "me",
    clock,
    lead(stop, lost) {
      terms.push({ stop, lost });
      return lead(stop);
    },
  });
  election.start();
  cleanups.push(() => {
    void election.close();
    client.close();
  });
  await expect.poll(() => terms).toHaveLength(1);
  return { clock, answers, election, terms };
}

describe("a leader", () => {
  test("whose request gets no answer stops at the deadline, and stands again", async () => {
    const { clock, answers, terms } = await leader(aborted);
    const silent = (answers.silent = [] as ServerResponse[]);
    const untilHalf = () => clock.monotonic() < RENEW_DEADLINE_MS / 2 && clock.advance(500);
    await expect.poll(() => (untilHalf(), silent)).toHaveLength(1);
    const canceled = once(silent[0]!, "close");
    clock.advance(RENEW_DEADLINE_MS - clock.monotonic());
    expect(terms[0]).toMatchObject({ stop: { aborted: true }, lost: { aborted: true } });
    await canceled;
    answers.silent = undefined;
    await expect.poll(() => (clock.advance(500), terms)).toHaveLength(2);
  });

  test("that needs longer than the deadline for its end has lost the lease", async () => {
    const done = new AbortController();
    const { clock, election, terms } = await leader(() => aborted(done.signal));
    const closed = election.close();
    expect(terms[0]).toMatchObject({ stop: { aborted: true }, lost: { aborted: false } });
    clock.advance(RENEW_DEADLINE_MS);
    expect(terms[0]!.lost.aborted).toBe(true);
    done.abort();
    await closed;
  });
});
