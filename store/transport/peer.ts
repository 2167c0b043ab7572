import { logger } from "@raft2kube/observe/log.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { Peer as PeerService, type Message as WireMessage } from "@raft2kube/proto/gen/peer.ts";
import { type Channel, type ClientTls, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { PEER_RECONNECT_MS, PEER_SILENCE_MS } from "../limits.ts";
import type { PeerMetrics, PeerMetricsByMember } from "../metrics/peers.ts";
import { encodeMessage, messageBytes, type StreamedMessage } from "./codec.ts";
import { helloTo, type Self, saysRemoved, wrongWelcome } from "./hello.ts";
import { Outbox } from "./outbox.ts";
import type { PeerAddress } from "./transport.ts";

export interface PeerOptions {
  self: Self;
  tls: ClientTls | undefined;
  clock: Clock;
  metrics: PeerMetricsByMember;
  /** The stream broke, or its queue is full: messages may be lost. */
  onUnreachable: (member: bigint) => void;
  /** The peer says that this member was removed from the cluster. */
  onRemoved: (reason: string) => void;
}

const log = logger("peer");
/** Failures of a way to a member, not answers of it. */
const UNREACHED: readonly number[] = [Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED];

/** One other member: a stream to it, opened again whenever it breaks. */
export class Peer {
  readonly id: bigint;
  readonly #options: PeerOptions;
  readonly #metrics: PeerMetrics;
  readonly #outbox = new Outbox();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #urls: string[];
  #connectedSince_ms: number | undefined;
  /** The stream's connection, while the member answers on it. */
  #channel: Channel | undefined;
  #complaint = "";

  constructor({ id, urls }: PeerAddress, options: PeerOptions) {
    this.id = id;
    this.#urls = urls;
    this.#options = options;
    this.#metrics = options.metrics.of(id);
    this.#running = this.#run();
  }

  get urls(): string[] {
    return this.#urls;
  }

  /** Takes effect with the next stream. */
  set urls(urls: string[]) {
    this.#urls = urls;
  }

  get connectedSince_ms(): number | undefined {
    return this.#connectedSince_ms;
  }

  send(message: StreamedMessage): void {
    if (message.kind === "heartbeat") this.#metrics.asked();
    if (this.#outbox.push(message)) return;
    this.#metrics.sendFailures.add();
    this.#options.onUnreachable(this.id);
  }

  /**
   * Asks the member over the stream's connection; while there is none, by each of its URLs in turn.
   * Rejects with an RpcError: the member's, or `UNAVAILABLE` or `DEADLINE_EXCEEDED` of the last
   * URL.
   */
  async ask(kind: string, body: Buffer, timeout_ms: number): Promise<Buffer> {
    const { self, tls } = this.#options;
    const question = { hello: helloTo(self, this.id), kind, body };
    const over = async (channel: Channel, most_ms: number) =>
      (await client(channel, PeerService).ask(question, { timeout_ms: most_ms })).body;
    if (this.#channel !== undefined) return over(this.#channel, timeout_ms);
    let failure = new RpcError(Status.UNAVAILABLE, `no way to member ${this.id.toString(16)}`);
    for (const url of this.#urls) {
      using channel = connectGrpc(url, tls ? { tls } : {});
      try {
        return await over(channel, timeout_ms / this.#urls.length);
      } catch (thrown) {
        if (!(thrown instanceof RpcError) || !UNREACHED.includes(thrown.status)) throw thrown;
        failure = thrown;
      }
    }
    throw failure;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#closing.signal.aborted; attempt++) {
      const url = this.#urls[attempt % this.#urls.length];
      if (url !== undefined) await this.#stream(url).catch((thrown) => this.#broken(url, thrown));
      this.#disconnected();
      this.#outbox.clear();
      if (this.#closing.signal.aborted) return;
      this.#options.onUnreachable(this.id);
      await delay(this.#options.clock, PEER_RECONNECT_MS, this.#closing.signal);
    }
  }

  #disconnected(): void {
    const { metrics, self } = this.#options;
    if (this.#connectedSince_ms !== undefined) metrics.disconnected(self.memberId, this.id);
    this.#connectedSince_ms = undefined;
    this.#metrics.broken();
  }

  /** Says once what is wrong, not with each attempt. */
  #broken(url: string, thrown: unknown): void {
    if (this.#closing.signal.aborted) return;
    const complaint = messageOf(thrown);
    if (complaint !== this.#complaint) {
      log.warn("no stream to member", { member: this.id.toString(16), url, reason: complaint });
    }
    this.#complaint = complaint;
    if (saysRemoved(this.#options.self, thrown)) this.#options.onRemoved(complaint);
  }

  /** One stream, from its hello to its end, which is always an error but on closing. */
  async #stream(url: string): Promise<void> {
    const { self, tls, clock } = this.#options;
    const abort = new AbortController();
    const stop = () => {
      abort.abort();
      this.#outbox.wake();
    };
    this.#closing.signal.addEventListener("abort", stop, { once: true });
    const channel = connectGrpc(url, tls ? { tls } : {});
    let silence: Timer = clock.after(PEER_SILENCE_MS, stop);
    try {
      const { exchange } = client(channel, PeerService);
      const { signal } = abort;
      for await (const welcome of exchange(this.#frames(signal), { signal })) {
        const wrong = wrongWelcome(self, this.id, welcome);
        if (wrong !== undefined) throw new RpcError(Status.FAILED_PRECONDITION, wrong);
        silence.cancel();
        silence = clock.after(PEER_SILENCE_MS, stop);
        if (this.#connectedSince_ms === undefined) this.#connected(url, channel);
      }
      throw new RpcError(Status.UNAVAILABLE, "the member ended the stream");
    } finally {
      silence.cancel();
      this.#closing.signal.removeEventListener("abort", stop);
      stop();
      this.#channel = undefined;
      channel.close();
    }
  }

  #connected(url: string, channel: Channel): void {
    this.#channel = channel;
    this.#connectedSince_ms = this.#options.clock.monotonic();
    this.#complaint = "";
    log.info("stream to member", { member: this.id.toString(16), url });
  }

  async *#frames(signal: AbortSignal) {
    yield { hello: helloTo(this.#options.self, this.id) };
    while (!signal.aborted) {
      const batch = await this.#outbox.take();
      if (batch.length === 0) continue;
      for (const message of batch) this.#metrics.sentBytes.add(messageBytes(message));
      const messages: Init<WireMessage>[] = batch.map(encodeMessage);
      yield { messages };
    }
  }
}
