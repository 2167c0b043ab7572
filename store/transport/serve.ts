import type { IncomingMessage, ServerResponse } from "node:http";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type Frame,
  type Members,
  Peer as PeerService,
  type Question,
  type SnapshotPart,
  type SnapshotProgress,
} from "@raft2kube/proto/gen/peer.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Call, serve } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Message } from "../core/message.ts";
import { PEER_ALIVE_INTERVAL_MS, PEER_SILENCE_MS, REMOVED_GRACE_MS } from "../limits.ts";
import type { PeerMetricsByMember } from "../metrics/peers.ts";
import { decodeMessage, messageBytes } from "./codec.ts";
import { checkHello, checkNotRemoved, type Self, welcomeOf } from "./hello.ts";
import { nextWithin } from "./next-within.ts";
import type { PeerAddress } from "./transport.ts";

/** A member's handlers for messages of peers. */
export interface PeerHandlers {
  metrics: PeerMetricsByMember;
  receive(message: Message): void;
  /** Another member has come, and listens there. */
  met(peer: PeerAddress): void;
  /** Answers a request that another member passes on. Rejects with an RpcError. */
  answer(kind: string, body: Buffer): Promise<Buffer>;
  members(): Members;
  snapshot(parts: AsyncIterable<SnapshotPart>): AsyncIterable<Init<SnapshotProgress>>;
}

/** The peer protocol's server side. */
export function peerService(self: Self, handlers: PeerHandlers, clock: Clock): ServedService {
  return serve(PeerService, {
    exchange: (frames, call) => exchange(self, handlers, clock, frames, call),
    snapshot: (parts) => handlers.snapshot(parts),
    ask: async ({ hello, kind, body }: Question) => {
      checkHello(self, hello);
      return { body: await handlers.answer(kind, body) };
    },
    members: () => handlers.members(),
  });
}

async function* exchange(
  self: Self,
  handlers: PeerHandlers,
  clock: Clock,
  frames: AsyncIterable<Frame>,
  call: Call,
) {
  const stream = frames[Symbol.asyncIterator]();
  const first = await nextWithin(stream, clock, PEER_SILENCE_MS);
  const greeting = checkHello(self, first.done ? undefined : first.value.hello);
  const { from, peerUrls } = greeting;
  handlers.met({ id: from, urls: peerUrls });
  const ended = new AbortController();
  const end = () => ended.abort();
  call.signal.addEventListener("abort", end, { once: true });
  let refusal: unknown;
  const reading = readFrames(self, handlers, clock, stream, from).catch((thrown: unknown) => {
    // A stream that breaks is the sender's to open again; a refused one gets the reason.
    if (!call.signal.aborted) refusal = thrown;
    handlers.metrics.of(from).receiveFailures.add();
  });
  void reading.then(end);
  while (!ended.signal.aborted) {
    yield welcomeOf(self, greeting);
    await delay(clock, PEER_ALIVE_INTERVAL_MS, ended.signal);
  }
  if (refusal !== undefined) throw refusal;
}

async function readFrames(
  self: Self,
  handlers: PeerHandlers,
  clock: Clock,
  stream: AsyncIterator<Frame>,
  from: bigint,
): Promise<void> {
  const metrics = handlers.metrics.of(from);
  let removed_ms: number | undefined;
  for (;;) {
    const next = await stream.next();
    if (next.done) return;
    // A leader that was removed has still to hand over.
    if (self.isRemoved(from)) removed_ms ??= clock.monotonic();
    if (removed_ms !== undefined && clock.monotonic() - removed_ms > REMOVED_GRACE_MS) {
      checkNotRemoved(self, from);
    }
    for (const wire of next.value.messages) {
      const message = decodeMessage(wire, from, self.memberId);
      if (!message) continue;
      metrics.receivedBytes.add(messageBytes(message));
      if (message.kind === "heartbeat-reply") metrics.answered();
      handlers.receive(message);
    }
  }
}

/** Plain HTTP on the peers' port: what an etcd member gets that takes this for one of its own. */
export function refuseForeign(self: Self) {
  const id = self.memberId.toString(16);
  return (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(412, { "content-type": "text/plain; charset=utf-8" });
    response.end(`this is member ${id} of a raft2kube store; members of etcd cannot join it\n`);
  };
}
