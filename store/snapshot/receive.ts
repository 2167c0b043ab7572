import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { logger } from "@raft2kube/observe/log.ts";
import type { SnapshotOffer, SnapshotPart } from "@raft2kube/proto/gen/peer.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import type { SnapshotMessage } from "../core/message.ts";
import { DISK_LOW_BYTES, SNAPSHOT_REPORT_BYTES, SNAPSHOT_SILENCE_MS } from "../limits.ts";
import type { MemberMetrics } from "../metrics/member.ts";
import { timedSnapshot } from "../metrics/peers.ts";
import { freeBytes } from "../structures/free-bytes.ts";
import { checkHello, type Self } from "../transport/hello.ts";
import { nextWithin } from "../transport/next-within.ts";
import type { SnapshotFolder } from "./folder.ts";
import { checkSnapshot } from "./load.ts";
import { renameDurably } from "./write.ts";

export interface SnapshotReceiverOptions {
  self: Self;
  folder: SnapshotFolder;
  clock: Clock;
  metrics: Pick<MemberMetrics, "peers" | "maintenance">;
  onReceived: (message: SnapshotMessage) => void;
}

const log = logger("snapshot");

/**
 * Takes snapshots from the leader: parts go into a file that outlives a broken stream; once whole
 * and checked it is renamed, and the core is notified. The latest stream wins; one that is silent
 * ends, as does one that offers more than the disk has space for.
 */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #stream = 0;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  async *receive(parts: AsyncIterable<SnapshotPart>) {
    const { self, folder, clock, metrics } = this.#options;
    const incoming = parts[Symbol.asyncIterator]();
    const first = await nextWithin(incoming, clock, SNAPSHOT_SILENCE_MS);
    const part = first.done ? undefined : first.value;
    const { from } = checkHello(self, part?.hello);
    const offer = part?.offer;
    if (!offer) throw new RpcError(Status.INVALID_ARGUMENT, "a snapshot begins with an offer");
    const stream = ++this.#stream;
    const path = folder.incoming(offer, offer.crc);
    folder.dropIncoming(path);
    const arrived = Promise.withResolvers<undefined>();
    // The sender gets the result; here it is only counted.
    const counted = timedSnapshot(metrics.peers.of(from).snapshotsReceived, arrived.promise);
    counted.catch(() => undefined);
    const saved = metrics.maintenance.begin("snapshotSave");
    const handle = await open(path, "a", 0o600);
    try {
      yield* this.#fill(handle, path, offer, incoming, () => stream === this.#stream);
      await metrics.maintenance.timed("snapshotSync", () => handle.sync());
      saved();
      await this.#take(path, offer, from);
      arrived.resolve(undefined);
    } finally {
      await handle.close();
      // Where it has not come so far: a promise is settled once.
      arrived.reject(new RpcError(Status.ABORTED, "the snapshot did not arrive"));
    }
    yield { offset: offer.bytes, done: true };
  }

  async *#fill(
    handle: FileHandle,
    path: string,
    offer: SnapshotOffer,
    parts: AsyncIterator<SnapshotPart>,
    isLatest: () => boolean,
  ) {
    let offset = await sizeOf(path);
    let reported = offset;
    this.#refuseTooLarge(offer.bytes - offset);
    yield { offset };
    while (offset < offer.bytes) {
      const next = await nextWithin(parts, this.#options.clock, SNAPSHOT_SILENCE_MS);
      if (next.done) throw new RpcError(Status.ABORTED, `the stream ended at byte ${offset}`);
      if (!isLatest()) throw new RpcError(Status.ABORTED, "another snapshot has come");
      const { data } = next.value;
      if (offset + data.length > offer.bytes) {
        throw new RpcError(Status.INVALID_ARGUMENT, `more than the ${offer.bytes} bytes offered`);
      }
      await handle.write(data);
      offset += data.length;
      if (offset - reported < SNAPSHOT_REPORT_BYTES) continue;
      reported = offset;
      yield { offset };
    }
  }

  /** A disk that a snapshot filled would end the member at its next write. */
  #refuseTooLarge(bytes: number): void {
    const { path } = this.#options.folder;
    const free = Math.max(0, freeBytes(path) - DISK_LOW_BYTES);
    if (bytes <= free) return;
    const message = `the disk of ${path} has space for ${free} of ${bytes} bytes: free some`;
    throw new RpcError(Status.RESOURCE_EXHAUSTED, `${message}, the snapshot comes again`);
  }

  /** The file is whole: is it what was offered? */
  async #take(path: string, offer: SnapshotOffer, from: bigint): Promise<void> {
    const { index, term, crc } = offer;
    const found = await checkSnapshot(path).catch(async (thrown: unknown) => {
      await rm(path, { force: true });
      throw new RpcError(Status.DATA_LOSS, messageOf(thrown));
    });
    const same = found.index === index && found.term === term && found.crc === crc;
    const { self, folder, onReceived } = this.#options;
    if (!same || found.clusterId !== self.clusterId) {
      await rm(path, { force: true });
      throw new RpcError(Status.DATA_LOSS, "the snapshot is not the one that was offered");
    }
    await renameDurably(path, folder.received(offer));
    log.info("received a snapshot", { index, bytes: offer.bytes, from: from.toString(16) });
    const mark = { index, term, membership: found.membership };
    const to = self.memberId;
    onReceived({ kind: "snapshot", from, to, term: offer.leaderTerm, mark });
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return 0;
    throw thrown;
  }
}
