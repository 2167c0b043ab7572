import { pick, seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { TestCluster } from "../../testing/raft/cluster.ts";
import type { Message } from "../core/message.ts";
import { APPEND_BYTES_MAX } from "../limits.ts";
import type { StreamedMessage } from "./codec.ts";
import { combine } from "./combine.ts";

const envelope = { from: 1n, to: 2n, term: 3 };

function append(prevIndex: number, count: number, commit: number, bytes = 1): StreamedMessage {
  const entries = Array.from({ length: count }, (_, i) => ({
    ...{ index: prevIndex + 1 + i, term: 3, data: Buffer.alloc(bytes), change: undefined },
  }));
  return { ...envelope, kind: "append", prevIndex, prevTerm: 3, entries, commit };
}

function reply(index: number, reject = false): StreamedMessage {
  return { ...envelope, kind: "append-reply", index, reject, hintIndex: 0, hintTerm: 0 };
}

const heartbeat = (readId: number, commit: number): StreamedMessage => {
  return { ...envelope, kind: "heartbeat", readId, commit };
};

const COMBINED: [what: string, StreamedMessage, StreamedMessage, StreamedMessage][] = [
  ["an append and the next", append(4, 2, 3), append(6, 1, 5), append(4, 3, 5)],
  ["an append and a later commit index", append(4, 2, 3), append(6, 0, 6), append(4, 2, 6)],
  ["an acknowledgement and a later one", reply(4), reply(6), reply(6)],
  ["a round of reads and a later one", heartbeat(1, 4), heartbeat(2, 4), heartbeat(2, 4)],
];

test.each(COMBINED)("%s become one", (_, earlier, later, one) => {
  expect(combine(earlier, later)).toEqual(one);
});

const HALF = APPEND_BYTES_MAX / 2 + 1;

const SEPARATE: [what: string, StreamedMessage, StreamedMessage][] = [
  ["appends with a gap", append(4, 1, 3), append(6, 1, 3)],
  ["an append that starts over", append(4, 2, 3), append(4, 2, 3)],
  ["appends of two terms", append(4, 1, 3), { ...append(5, 1, 3), term: 4 }],
  ["appends that are too large for one", append(4, 1, 3, HALF), append(5, 1, 3, HALF)],
  ["a rejection and an acknowledgement", reply(4, true), reply(6)],
  ["an acknowledgement and a rejection", reply(4), reply(6, true)],
  ["a round of reads and a regular heartbeat", heartbeat(1, 4), heartbeat(0, 4)],
  ["messages of two kinds", reply(4), heartbeat(0, 4)],
];

test.each(SEPARATE)("%s stay two", (_, earlier, later) => {
  expect(combine(earlier, later)).toBe(undefined);
});

/** Adds messages to those on their way, each combined with the one before it to the same member. */
function post(cluster: TestCluster, messages: Message[]): number {
  let combined = 0;
  for (const message of messages) {
    const { network } = cluster;
    const at = network.findLastIndex(({ from, to }) => from === message.from && to === message.to);
    const one = network[at] && combine(network[at] as StreamedMessage, message as StreamedMessage);
    if (one) {
      network[at] = one;
      combined++;
    } else network.push(message);
  }
  return combined;
}

test("combined messages keep members safe, and bring each of them every entry", () => {
  let combined = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const cluster = new TestCluster({ random, inflightAppends_max: 4 });
    const checker = cluster.safety;
    cluster.addVoters(3);
    cluster.elect();
    for (let step = 0; step < 600; step++) {
      const member = pick(random, [...cluster.members.values()]);
      const die = random.next();
      if (die < 0.3) member.raft.propose([Buffer.from(`${step}`)]);
      else if (die < 0.5) combined += post(cluster, member.process()?.messages ?? []);
      else if (die < 0.65) combined += post(cluster, member.sync());
      else if (die < 0.95 && cluster.network.length > 0) {
        const { to } = pick(random, cluster.network);
        const [first] = cluster.network.splice(
          cluster.network.findIndex((m) => m.to === to),
          1,
        );
        if (random.next() > 0.02) cluster.deliver(first!);
      } else if (die < 0.97) member.raft.tick();
      else member.raft.requestReadIndex(step);
      checker.check(cluster);
    }
    for (let tick = 0; tick < 60; tick++) {
      for (const { raft } of cluster.members.values()) raft.tick();
      cluster.settle();
    }
    checker.check(cluster);
    const counts = [...cluster.members.values()].map(({ applied }) => applied.length);
    expect(Math.min(...counts), `seed ${seed}`).toBe(Math.max(...counts));
    expect(counts[0], `seed ${seed}`).toBeGreaterThan(20);
  }
  expect(combined).toBeGreaterThan(1_000);
});
