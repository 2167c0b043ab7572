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

export interface FirstPacketsOptions {
  readonly clock: Clock;
  readonly report: ReportOutcome;
  /** List the connections to an address, and count all; by default the kernel's. */
  readonly flowsTo?: (address: string) => Promise<Flow[]>;
  readonly flowCount?: () => number;
}

/**
 * Adds to the traces of rules when the first packet went to an endpoint: `firstPacket`, which lasts
 * from the last question to the kernel before that packet to the one after it. Connections that the
 * node itself opens to the address, as a kubelet's probes, do not count; those by a Service do.
 */
export class FirstPackets {
  readonly #options: Required<FirstPacketsOptions>;
  /** Endpoints by address. Invariant: at most FIRST_PACKETS_MAX. */
  readonly #awaited = new Map<string, Awaited>();
  readonly #passes: Runner;

  constructor(options: FirstPacketsOptions) {
    this.#options = { flowsTo, flowCount, ...options };
    this.#passes = new Runner({
      clock: options.clock,
      run: () => this.#pass(),
      report: (thrown) => {
        if (thrown !== undefined) this.#awaited.clear();
        options.report(thrown);
      },
    });
  }

  /** Runs `write`, which `span` stands for, and waits afterwards for packets to the addresses. */
  async after(write: () => Promise<void>, span: Span, addresses: readonly string[]): Promise<void> {
    const { clock } = this.#options;
    const known = await this.#connections(addresses);
    await write();
    const [until_ms, asked_ms] = [clock.monotonic() + limits.FIRST_PACKET_MS, span.time.now_ms()];
    for (const [address, before] of known) {
      this.#awaited.set(address, { span, known: before, until_ms, asked_ms });
    }
    if (known.size > 0) untraced(() => this.#passes.request(0));
  }

  async close(): Promise<void> {
    this.#awaited.clear();
    await this.#passes.close();
  }

  /** Resolves with the present connections to some of the addresses: rules wait for the answer. */
  async #connections(addresses: readonly string[]): Promise<Map<string, ReadonlySet<string>>> {
    const { clock, flowsTo, flowCount, report } = this.#options;
    const known = new Map<string, ReadonlySet<string>>();
    try {
      const free = limits.FIRST_PACKETS_MAX - this.#awaited.size;
      if (flowCount() > limits.FIRST_PACKET_FLOWS_MAX) return known;
      const until_ms = clock.monotonic() + limits.FIRST_PACKETS_ASKED_MS;
      for (const address of addresses.slice(0, free)) {
        known.set(address, new Set((await flowsTo(address)).map(textOf)));
        if (clock.monotonic() >= until_ms) break;
      }
    } catch (thrown) {
      report(thrown);
    }
    return known;
  }

  /** Asks for each address once; resolves with the pause. Among too many flows it gives up. */
  async #pass(): Promise<number> {
    const { clock, flowCount } = this.#options;
    if (flowCount() > limits.FIRST_PACKET_FLOWS_MAX) this.#awaited.clear();
    const start_ms = clock.monotonic();
    const own = nodeAddresses();
    for (const [address, awaited] of this.#awaited) {
      const { span, known, until_ms } = awaited;
      const asked_ms = span.time.now_ms();
      const flows = await this.#options.flowsTo(address);
      const first = flows.find((flow) => !known.has(textOf(flow)) && !isOwn(flow, address, own));
      if (first) {
        const attributes = { addresses: [address], connection: textOf(first) };
        span.child("firstPacket", { start_ms: awaited.asked_ms, attributes })?.end();
      }
      if (first || start_ms >= until_ms) this.#awaited.delete(address);
      awaited.asked_ms = asked_ms;
    }
    if (this.#awaited.size === 0) return Infinity;
    const took_ms = clock.monotonic() - start_ms;
    return Math.max(limits.FIRST_PACKET_INTERVAL_MS, took_ms * limits.FIRST_PACKET_PAUSE_FACTOR);
  }
}

/** `10.244.0.7:40312 to 10.96.0.10:53`, as the client opened it. */
const textOf = ({ original: { source, sourcePort, destination, destinationPort } }: Flow) =>
  `${source}:${sourcePort} to ${destination}:${destinationPort}`;

const isOwn = ({ original }: Flow, address: string, own: ReadonlySet<string>) =>
  original.destination === address && own.has(original.source);
