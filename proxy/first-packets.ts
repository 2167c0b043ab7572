import { type Flow, flowCount, flowsTo } from "@raft2kube/linux/netfilter/conntrack.ts";
import { type Span, untraced } from "@raft2kube/observe/trace/tracer.ts";
import type { ReportOutcome } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import * as limits from "./limits.ts";
import { nodeAddresses } from "./reserved.ts";

/** An endpoint to which no packet has gone since its rules were written. */
interface Awaited {
  /** The write of its rules. */
  readonly span: Span;
  /** Connections from before that write. */
  readonly known: ReadonlySet<string>;
  /** When it is given up (monotonic). */
  readonly until_ms: number;
  /** When no packet had gone yet, by the clock of the span. */
  asked_ms: number;
}

/** How connections to an address are listed, and all are counted. */
const KERNEL = { flowsTo, flowCount };

export type FirstPackets = ReturnType<typeof firstPackets>;

/**
 * Adds to the traces of rules when the first packet went to an endpoint: `firstPacket`, which lasts
 * from the last question to the kernel before that packet to the one after it. Connections that the
 * node itself opens to the address, as a kubelet's probes, do not count; those by a Service do.
 */
export function firstPackets(clock: Clock, report: ReportOutcome, kernel = KERNEL) {
  /** Endpoints by address. Invariant: at most FIRST_PACKETS_MAX. */
  const awaited = new Map<string, Awaited>();
  /** Resolves with the present connections to some of the addresses: rules wait for the answer. */
  const connections = async (addresses: readonly string[]) => {
    const known = new Map<string, ReadonlySet<string>>();
    try {
      if (kernel.flowCount() > limits.FIRST_PACKET_FLOWS_MAX) return known;
      const until_ms = clock.monotonic() + limits.FIRST_PACKETS_ASKED_MS;
      for (const address of addresses.slice(0, limits.FIRST_PACKETS_MAX - awaited.size)) {
        known.set(address, new Set((await kernel.flowsTo(address)).map(textOf)));
        if (clock.monotonic() >= until_ms) break;
      }
    } catch (thrown) {
      report(thrown);
    }
    return known;
  };
  /** Asks for each address once; resolves with the pause. Among too many flows it gives up. */
  const pass = async (): Promise<number> => {
    if (kernel.flowCount() > limits.FIRST_PACKET_FLOWS_MAX) awaited.clear();
    const start_ms = clock.monotonic();
    const own = nodeAddresses();
    for (const [address, each] of awaited) {
      const asked_ms = each.span.now_ms();
      const flows = await kernel.flowsTo(address);
      const isNew = (flow: Flow) => !each.known.has(textOf(flow)) && !isOwn(flow, address, own);
      const first = flows.find(isNew);
      if (first) {
        const attributes = { addresses: [address], connection: textOf(first) };
        each.span.child("firstPacket", { start_ms: each.asked_ms, attributes })?.end();
      }
      if (first || start_ms >= each.until_ms) awaited.delete(address);
      each.asked_ms = asked_ms;
    }
    if (awaited.size === 0) return Infinity;
    const took_ms = clock.monotonic() - start_ms;
    return Math.max(limits.FIRST_PACKET_INTERVAL_MS, took_ms * limits.FIRST_PACKET_PAUSE_FACTOR);
  };
  const failed = (thrown: unknown) => {
    if (thrown !== undefined) awaited.clear();
    report(thrown);
  };
  const passes = new Runner({ clock, run: pass, report: failed });
  return {
    /** Runs `write`, which `span` stands for, and waits afterwards for packets to the addresses. */
    async after(write: () => Promise<void>, span: Span, addresses: readonly string[]) {
      const found = await connections(addresses);
      await write();
      const [until_ms, asked_ms] = [clock.monotonic() + limits.FIRST_PACKET_MS, span.now_ms()];
      for (const [address, known] of found)
        awaited.set(address, { span, known, until_ms, asked_ms });
      if (found.size > 0) untraced(() => passes.request(0));
    },
    close: () => passes.close(),
  };
}

/** `10.244.0.7:40312 to 10.96.0.10:53`, as the client opened it. */
const textOf = ({ original: { source, sourcePort, destination, destinationPort } }: Flow) =>
  `${source}:${sourcePort} to ${destination}:${destinationPort}`;

const isOwn = ({ original }: Flow, address: string, own: ReadonlySet<string>) =>
  original.destination === address && own.has(original.source);
