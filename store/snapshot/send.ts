import { open, rm } from "node:fs/promises";
import { logger } from "@raft2kube/observe/log.ts";
import { Peer as PeerService } from "@raft2kube/proto/gen/peer.ts";
import { type ClientTls, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { SnapshotMessage } from "../core/message.ts";
import {
  SNAPSHOT_ATTEMPTS_MAX,
  SNAPSHOT_PART_BYTES,
  SNAPSHOT_RETRY_MS,
  SNAPSHOT_SILENCE_MS,
} from "../limits.ts";
import { type PeerMetricsByMember, timedSnapshot } from "../metrics/peers.ts";
import { helloTo, type Self } from "../transport/hello.ts";
import type { PeerAddress } from "../transport/transport.ts";
import type { SnapshotFile } from "./write.ts";

export interface SnapshotSenderOptions {
  self: Self;
  tls: ClientTls | undefined;
  clock: Clock;
  metrics: PeerMetricsByMember;
  /** Makes a snapshot of the state that is on disk. */
  make: () => Promise<SnapshotFile>;
  /** Whether the log still has the entries after a snapshot at this index. */
  isFresh: (index: number) => boolean;
  onEnd: (member: bigint, delivered: boolean) => void;
}

const log = logger("snapshot");

/**
 * Sends snapshots to followers that the log no longer reaches back to, each in parts; a stream
 * that breaks continues where the follower's file ends. One file serves all followers.
 */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #closing = new AbortController();
  readonly #sending = new Map<bigint, Promise<void>>();
  #file: Promise<SnapshotFile> | undefined;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  /** Starts, unless the member is being sent one; `onEnd` gets the result. */
  send(message: SnapshotMessage, to: PeerAddress): void {
    if (this.#sending.has(to.id) || this.#closing.signal.aborted) return;
    const metrics = this.#options.metrics.of(to.id).snapshotsSent;
    const sending = timedSnapshot(metrics, this.#send(message, to))
      .catch((thrown: unknown) => {
        log.warn("a snapshot was not delivered", {
          member: to.id.toString(16),
          reason: messageOf(thrown),
        });
        return false;
      })
      .then((delivered) => {
        this.#sending.delete(to.id);
        this.#options.onEnd(to.id, delivered);
      });
    this.#sending.set(to.id, sending);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#sending.values());
    await this.#file?.catch(() => undefined);
  }

  async #send(message: SnapshotMessage, to: PeerAddress): Promise<boolean> {
    const file = await this.#current();
    const member = to.id.toString(16);
    log.info("sending a snapshot", { member, index: file.index, bytes: file.bytes });
    for (let attempt = 1; ; attempt++) {
      const url = to.urls[attempt % to.urls.length] ?? "";
      try {
        await this.#attempt(file, message.term, to.id, url);
        log.info("a snapshot is delivered", { member, index: file.index });
        return true;
      } catch (thrown) {
        if (attempt >= SNAPSHOT_ATTEMPTS_MAX || this.#closing.signal.aborted) throw thrown;
        log.info("a snapshot's stream broke", { member, reason: messageOf(thrown) });
      }
      await delay(this.#options.clock, SNAPSHOT_RETRY_MS, this.#closing.signal);
    }
  }

  /**
   * Returns the current file; concurrent calls share one that is being made, since both would write
   * to the same path.
   */
  #current(): Promise<SnapshotFile> {
    this.#file = this.#renew(this.#file);
    return this.#file;
  }

  async #renew(before: Promise<SnapshotFile> | undefined): Promise<SnapshotFile> {
    const old = await before?.catch(() => undefined);
    if (old && this.#options.isFresh(old.index)) return old;
    const made = await this.#options.make();
    // Streams that still read the old file keep it open.
    if (old && old.path !== made.path) await rm(old.path, { force: true });
    return made;
  }

  async #attempt(file: SnapshotFile, term: number, to: bigint, url: string): Promise<void> {
    const { self, tls, clock } = this.#options;
    const abort = new AbortController();
    const stop = () => abort.abort();
    this.#closing.signal.addEventListener("abort", stop, { once: true });
    let silence: Timer = clock.after(SNAPSHOT_SILENCE_MS, stop);
    const channel = connectGrpc(url, tls ? { tls } : {});
    const from = Promise.withResolvers<number>();
    from.promise.catch(() => undefined);
    const { index, bytes, crc } = file;
    const offer = { leaderTerm: term, index, term: file.term, bytes, crc };
    const parts = partsOf(file, { hello: helloTo(self, to), offer }, from.promise);
    try {
      const { snapshot } = client(channel, PeerService);
      for await (const progress of snapshot(parts, { signal: abort.signal })) {
        silence.cancel();
        silence = clock.after(SNAPSHOT_SILENCE_MS, stop);
        if (progress.done) return;
        from.resolve(progress.offset);
      }
      throw new RpcError(Status.UNAVAILABLE, "the member ended the stream");
    } finally {
      silence.cancel();
      from.reject(new RpcError(Status.CANCELLED, "the stream has ended"));
      this.#closing.signal.removeEventListener("abort", stop);
      stop();
      channel.close();
    }
  }
}

/** The offer, then the file from where the receiver says that its own ends. */
async function* partsOf<O extends object>(file: SnapshotFile, offer: O, from: Promise<number>) {
  yield offer;
  let at = await from;
  await using handle = await open(file.path, "r");

  while (at < file.bytes) {
    const part = Buffer.allocUnsafe(Math.min(SNAPSHOT_PART_BYTES, file.bytes - at));
    const { bytesRead } = await handle.read(part, 0, part.length, at);
    if (bytesRead === 0) throw new RpcError(Status.DATA_LOSS, `${file.path} has become shorter`);
    at += bytesRead;
    yield { data: part.subarray(0, bytesRead) };
  }
}
