import type { Flow } from "@raft2kube/linux/netfilter/conntrack.ts";
import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { recentSpans } from "@raft2kube/observe/trace/recent-spans.ts";
import { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { turn } from "@raft2kube/std/slices.ts";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { firstPackets } from "./first-packets.ts";
import {
  FIRST_PACKET_FLOWS_MAX,
  FIRST_PACKET_INTERVAL_MS,
  FIRST_PACKET_MS,
  FIRST_PACKETS_ASKED_MS,
  FIRST_PACKETS_MAX,
} from "./limits.ts";

const POD = "10.244.0.5";

const flow = (source: string, destination = POD): Flow => ({
  original: { source, sourcePort: 4_000, destination, destinationPort: 80 },
  reply: { source: POD, sourcePort: 8_080, destination: source, destinationPort: 4_000 },
});

let clock: ManualClock;
let kept: ReturnType<typeof recentSpans>;
let flows: Flow[];
let asked: string[];
let failures: unknown[];
let count: number;
let takes_ms: number;
beforeEach(() => {
  clock = new ManualClock();
  kept = recentSpans();
  [flows, asked, failures, count, takes_ms] = [[], [], [], 0, 0];
});

/** Traces a write of rules for addresses. */
async function written(...addresses: string[]): Promise<void> {
  const report = (thrown: unknown) => void (thrown !== undefined && failures.push(thrown));
  const packets = firstPackets(clock, report, {
    async flowsTo(address) {
      asked.push(address);
      clock.advance(takes_ms);
      if (flows.length > 0 && flows[0] === undefined) throw new Error("no ctnetlink");
      return flows;
    },
    flowCount: () => count,
  });
  onTestFinished(() => packets.close());
  const tracer = new Tracer({
    service: { name: "proxy" },
    sink: kept,
    clock,
    random: systemRandom,
    samplingRatePerMillion: SAMPLING_RATE_MAX,
  });
  const rules = () => Promise.resolve();
  await tracer.trace("syncProxyRules", (span) => packets.after(rules, span, addresses));
  await turn();
}

async function later(ms = FIRST_PACKET_INTERVAL_MS): Promise<void> {
  clock.advance(ms);
  await turn();
}

const seen = () => kept.recent().filter(({ name }) => name === "firstPacket");

test("the first packet is a part of its rules' trace, between two questions to the kernel", async () => {
  flows = [flow("10.244.0.6")];
  await written(POD);
  const written_ms = clock.now();
  await later();
  expect(seen()).toEqual([]);
  flows = [...flows, flow("127.0.0.1"), flow("10.244.0.7", "10.96.0.10")];
  await later();
  const [rules] = kept.recent();
  const [span, ...more] = seen();
  expect(more).toEqual([]);
  expect(span).toMatchObject({
    parentId: rules!.spanId,
    start_ms: written_ms + FIRST_PACKET_INTERVAL_MS,
    end_ms: written_ms + 2 * FIRST_PACKET_INTERVAL_MS,
    attributes: { addresses: [POD], connection: "10.244.0.7:4000 to 10.96.0.10:80" },
  });
  const questions = asked.length;
  await later();
  expect(asked).toHaveLength(questions);
});

test("a node's own connections to the address are not the first packet, by a Service they are", async () => {
  await written(POD);
  flows = [flow("127.0.0.1")];
  await later();
  expect(seen()).toEqual([]);
  flows = [flow("127.0.0.1", "10.96.0.10")];
  await later();
  expect(seen()).toHaveLength(1);
});

test("the kernel is asked for a bounded time, for some addresses at once", async () => {
  const addresses = Array.from({ length: 2 * FIRST_PACKETS_MAX }, (_, i) => `10.244.0.${i}`);
  await written(...addresses);
  expect(new Set(asked).size).toBe(FIRST_PACKETS_MAX);
  await later(FIRST_PACKET_MS);
  await later();
  const questions = asked.length;
  await later();
  expect([asked.length, seen()]).toEqual([questions, []]);
});

test("rules wait for a few questions to a kernel that is slow, and for none to one with many", async () => {
  takes_ms = FIRST_PACKETS_ASKED_MS - 1;
  const [one, two, three] = ["10.244.0.1", "10.244.0.2", "10.244.0.3"];
  await written(one, two, three);
  takes_ms = 0;
  await later();
  expect([...new Set(asked)]).toEqual([one, two]);
  count = FIRST_PACKET_FLOWS_MAX + 1;
  await written(three);
  expect([...new Set(asked)]).toEqual([one, two]);
});

test("a kernel that a pod has given many flows since is not asked again", async () => {
  await written(POD);
  count = FIRST_PACKET_FLOWS_MAX + 1;
  const questions = asked.length;
  await later();
  count = 0;
  await later();
  expect(asked).toHaveLength(questions);
});

test("a kernel that does not answer is reported, and not asked again", async () => {
  flows = [undefined as never];
  await written(POD);
  expect(failures).toHaveLength(1);
  const questions = asked.length;
  await later(FIRST_PACKET_MS);
  expect(asked).toHaveLength(questions);
});
