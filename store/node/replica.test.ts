// In a process of its own: buffers that it fills make V8 collect all that the process has.
import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { expect, test, vi } from "vitest";
import { entryOf, loneReplica, put } from "../../testing/raft/lone-replica.ts";
import type { Message } from "../core/message.ts";
import { leaseKeepAliveVerb } from "../etcd/lease/lease-keep-alive.ts";
import type { EtcdContext } from "../etcd/request/context.ts";
import { ELECTION_TICKS, ENTRY_BYTES_MAX, REQUEST_TIMEOUT_MS, TICK_MS } from "../limits.ts";
import { type Command, decodeCommand, encodeCommand } from "../mvcc/apply/command.ts";
import type { Outcome } from "../mvcc/apply/responses.ts";
import { LeaseTable } from "../mvcc/state/lease/lease.ts";
import { LeaseTimers } from "../mvcc/state/lease/lease-timers.ts";

const grant = (ID: bigint, TTL: number): Command => ({ kind: "lease-grant", request: { ID, TTL } });

const checkpoint = (ID: bigint, remainingTTL: number): Command => ({
  kind: "lease-checkpoint",
  request: { checkpoints: [{ ID, remainingTTL }] },
});

/** Commands passed on, in order: to whom, in which term. */
function passedOn(sent: Message[]) {
  return sent.flatMap((message) =>
    message.kind === "propose"
      ? message.data.map((data) => [message.to, message.term, decodeCommand(data).kind])
      : [],
  );
}

test("S7: a revocation that waits when the office is lost is not passed on", async () => {
  const { clock, sent, raft, replica, state, settle, append, lead, acknowledge } =
    await loneReplica();
  await lead();
  expect(raft.isLeader).toBe(true);
  replica.propose(grant(9n, 2), () => undefined);
  await acknowledge();
  expect(state.leases.get(9n)).toBeDefined();
  replica.transferLeadership(3n);
  clock.advance(2_500);
  replica.propose(put("of a client"), () => undefined);
  await settle();
  await append(3n, raft.state.term + 1, [entryOf(raft.state.log.lastIndex + 1, 3)]);
  expect(raft.isLeader).toBe(false);
  expect(passedOn(sent)).toEqual([[3n, 3, "put"]]);
});

test("S7: what is left of a lease is recorded, and all that a next leader gives it", async () => {
  const { clock, raft, replica, state, append, lead, acknowledge } = await loneReplica();
  await lead();
  replica.propose(grant(9n, 100), () => undefined);
  replica.propose(grant(8n, 100), () => undefined);
  await acknowledge();
  clock.advance(40_000);
  state.leaseTimers.renewed(state.leases.get(8n)!);
  clock.advance(20_000);
  await acknowledge();
  expect(state.leases.get(9n)!.remaining_s).toBe(50);
  // Ten seconds after its renewal it had its whole time but ten.
  expect(state.leases.get(8n)!.remaining_s).toBe(90);
  await append(3n, raft.state.term + 1, [entryOf(raft.state.log.lastIndex + 1, 3)]);
  expect(raft.isLeader).toBe(false);
  await lead();
  expect(state.leaseTimers.remaining_s(9n)).toBe(51);
});

test("S7: a new leader renews the leases that its predecessor had renewed", async () => {
  const { clock, raft, state, append, receive, lead } = await loneReplica();
  const entries = [grant(9n, 100), checkpoint(9n, 10), checkpoint(9n, 0)].map((command, i) =>
    entryOf(2 + i, 2, encodeCommand(command, { session: 6, sequence: i })),
  );
  await append(3n, 2, entries.slice(0, 2));
  // The renewal's record is committed, which this member learns in its own office only.
  const before = { prevIndex: 3, prevTerm: 2, commit: 3 };
  const last = entries.slice(2);
  await receive({ kind: "append", from: 3n, to: 1n, term: 2, ...before, entries: last });
  expect(state.leases.get(9n)!.remaining_s).toBe(10);
  await lead();
  expect(raft.isLeader).toBe(true);
  clock.advance(20_000);
  expect(state.leaseTimers.remaining_s(9n)).toBe(81);
});

test("S7: a renewal not recorded when the office is lost is refused", async () => {
  const { clock, sent, raft, replica, state, settle, append, receive, lead, acknowledge } =
    await loneReplica();
  await lead();
  replica.propose(grant(9n, 100), () => undefined);
  await acknowledge();
  clock.advance(60_000);
  await acknowledge();
  expect(state.leases.get(9n)!.remaining_s).toBe(50);
  replica.transferLeadership(3n);
  const outcome = vi.fn<(error: unknown) => void>();
  const context = { state, replica } as unknown as EtcdContext;
  leaseKeepAliveVerb.here(context, { ID: 9n }).catch(outcome);
  await settle();
  const { term } = raft.state;
  const readId = sent.reduce((id, each) => (each.kind === "heartbeat" ? each.readId : id), 0);
  const news = { commit: 0, commitTerm: 0 };
  await receive({ kind: "heartbeat-reply", from: 2n, to: 1n, term, readId, ...news });
  await append(3n, term + 1, [entryOf(raft.state.log.lastIndex + 1, term + 1)]);
  await append(3n, term + 1, []);
  expect(passedOn(sent)).toEqual([]);
  expect(outcome.mock.calls).toEqual([[etcdError("leaderChanged")]]);
});

test("what was handed over in a term that has ended is proposed again, once", async () => {
  const { sent, replica, append } = await loneReplica();
  const outcomes: Outcome[] = [];
  await append(2n, 2, [entryOf(2, 2)]);
  replica.propose(put("a"), (outcome) => outcomes.push(outcome));
  await append(2n, 2, []);
  expect(passedOn(sent)).toEqual([[2n, 2, "put"]]);
  // Another leader in office is not enough: what it will commit of the last term is open.
  await append(3n, 3, []);
  expect(passedOn(sent)).toHaveLength(1);
  await append(3n, 3, [entryOf(3, 3)]);
  expect(passedOn(sent)).toEqual([
    [2n, 2, "put"],
    [3n, 3, "put"],
  ]);
  const data = encodeCommand(put("a"), { session: 5, sequence: 1 });
  await append(3n, 3, [entryOf(4, 3, data)]);
  await append(2n, 4, [entryOf(5, 4)]);
  expect(passedOn(sent)).toHaveLength(2);
  expect(outcomes).toHaveLength(1);
  expect(outcomes[0]!.error).toBeUndefined();
});

test("what the next leader has in its log is not proposed again", async () => {
  const { sent, replica, state, append } = await loneReplica();
  await append(2n, 2, [entryOf(2, 2)]);
  const outcomes: Outcome[] = [];
  replica.propose(put("a"), (outcome) => outcomes.push(outcome));
  await append(2n, 2, []);
  const data = encodeCommand(put("a"), { session: 5, sequence: 1 });
  await append(3n, 3, [entryOf(3, 2, data), entryOf(4, 3)]);
  expect(passedOn(sent)).toHaveLength(1);
  expect(outcomes).toHaveLength(1);
  expect(state.revision).toBe(2);
});

test("behind a snapshot nothing handed over before is proposed again", async () => {
  const { sent, replica, raft, append, receive } = await loneReplica();
  await append(2n, 2, [entryOf(2, 2)]);
  replica.propose(put("a"), () => undefined);
  await append(2n, 2, []);
  const mark = { index: 10, term: 2, membership: raft.state.membership };
  await receive({ kind: "snapshot", from: 2n, to: 1n, term: 2, mark });
  await append(3n, 3, [entryOf(11, 3)]);
  expect(passedOn(sent)).toHaveLength(1);
});

test("a proposal without an answer ends in time, with etcd's reason", async () => {
  const reasonOf = async (connectedSince_ms: number | undefined, change: boolean) => {
    const options = connectedSince_ms === undefined ? {} : { connectedSince_ms };
    const { clock, replica, raft, append, settle } = await loneReplica(options);
    await append(2n, 2, [entryOf(2, 2)]);
    replica.start();
    clock.advance(5_000);
    await settle();
    await append(2n, 2, []);
    const asked_ms = clock.monotonic();
    const outcomes: Outcome[] = [];
    replica.propose(put("a"), (outcome) => outcomes.push(outcome));
    await settle();
    clock.advance(TICK_MS);
    if (change) await append(3n, raft.state.term + 1, []);
    while (clock.monotonic() - asked_ms <= REQUEST_TIMEOUT_MS + TICK_MS) {
      // A leader that is in office, and never takes the proposal.
      await append(change ? 3n : 2n, raft.state.term, []);
      clock.advance((ELECTION_TICKS * TICK_MS) / 2);
      await settle();
    }
    return outcomes.map(({ error }) => error?.message);
  };
  expect(await reasonOf(0, false)).toEqual([etcdError("timeout").message]);
  expect(await reasonOf(undefined, false)).toEqual([etcdError("timeoutConnection").message]);
  expect(await reasonOf(0, true)).toEqual([etcdError("timeoutLeader").message]);
});

test("S7: leases of a snapshot that was installed while the office was taken do end", async () => {
  const gate = Promise.withResolvers<void>();
  const install = async (clock: Clock) => {
    await gate.promise;
    const leases = new LeaseTable();
    const leaseTimers = new LeaseTimers(clock);
    leaseTimers.started(leases.add(9n, 2, 0));
    return { leases, leaseTimers };
  };
  const { clock, raft, replica, state, settle, receive, lead, acknowledge } = await loneReplica({
    install,
  });
  const mark = { index: 10, term: 2, membership: state.membership };
  await receive({ kind: "snapshot", from: 2n, to: 1n, term: 2, mark });
  await lead();
  expect(raft.isLeader).toBe(true);
  gate.resolve();
  await replica.installed();
  expect(state.leases.get(9n)).toBeDefined();
  for (let i = 0; i < 10; i++) {
    clock.advance(500);
    await settle();
    await acknowledge();
  }
  expect(state.leases.get(9n)).toBeUndefined();
});

test("S7: a renewal right behind a snapshot of a new leader keeps its time", async () => {
  const gate = Promise.withResolvers<void>();
  const install = async (clock: Clock) => {
    await gate.promise;
    const leases = new LeaseTable();
    const leaseTimers = new LeaseTimers(clock);
    leaseTimers.started(leases.add(9n, 100, 50));
    return { leases, leaseTimers };
  };
  const { sent, raft, replica, state, settle, receive, lead, acknowledge } = await loneReplica({
    install,
  });
  const mark = { index: 10, term: 2, membership: state.membership };
  await receive({ kind: "snapshot", from: 2n, to: 1n, term: 2, mark });
  await lead();
  const context = { state, replica } as unknown as EtcdContext;
  const renewal = leaseKeepAliveVerb.here(context, { ID: 9n });
  await settle();
  const { term } = raft.state;
  const readId = sent.reduce((id, each) => (each.kind === "heartbeat" ? each.readId : id), 0);
  const news = { commit: 0, commitTerm: 0 };
  await receive({ kind: "heartbeat-reply", from: 2n, to: 1n, term, readId, ...news });
  gate.resolve();
  await replica.installed();
  await acknowledge();
  expect(await renewal).toMatchObject({ TTL: 100 });
  expect(state.leaseTimers.remaining_s(9n)).toBe(100);
});

test("S8: a message that breaks the core ends the member, not its stream alone", async () => {
  const reasons: unknown[] = [];
  const { append, receive, raft, replica } = await loneReplica({
    onFatal: (reason) => reasons.push(reason),
  });
  await append(3n, 2, [entryOf(2, 2)]);
  const { term, id: to } = raft.state;
  await receive({ kind: "heartbeat", from: 3n, to, term, commit: 9, readId: 0 });
  expect(reasons).toEqual([expect.objectContaining({ code: "LOG_LOST" })]);
  expect(replica.stopped).toBe(true);
});

test("S8: a leader reports each member that has committed something else, once", async () => {
  const reported: unknown[] = [];
  const { receive, append, lead, raft } = await loneReplica({
    onConflict: ({ member, index }) => reported.push([member, index]),
  });
  await append(2n, 1, [entryOf(2, 1)]);
  await lead();
  const { term } = raft.state;
  const answer = { kind: "heartbeat-reply", to: 1n, term, readId: 0, commitTerm: 9 } as const;
  for (const commit of [2, 2, 3]) {
    for (const from of [2n, 3n]) await receive({ ...answer, from, commit });
  }
  expect(reported).toEqual([
    [2n, 2],
    [3n, 2],
  ]);
});

test("S10: a proposal passed on that no record of the log could hold is not taken", async () => {
  const { receive, lead, raft } = await loneReplica();
  await lead();
  const { term, log } = raft.state;
  const before = log.lastIndex;
  const data = [Buffer.alloc(ENTRY_BYTES_MAX + 1)];
  await receive({ kind: "propose", from: 2n, to: 1n, term, data, change: undefined });
  expect(log.lastIndex).toBe(before);
});
