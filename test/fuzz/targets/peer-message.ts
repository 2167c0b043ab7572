import { DecodeError } from "@raft2kube/proto/codec.ts";
import { Frame } from "@raft2kube/proto/gen/peer.ts";
import type { StreamedMessage } from "@raft2kube/store/transport/codec.ts";
import {
  decodeMessage,
  encodeMessage,
  messageBytes,
  PeerMessageError,
} from "@raft2kube/store/transport/codec.ts";
import type { Target } from "../target.ts";

const [FROM, TO] = [2n, 1n];
const envelope = { from: FROM, to: TO, term: 7 };
const change = {
  steps: [{ action: "add-learner" as const, member: 9n }],
  transition: "auto" as const,
  context: Buffer.from("context"),
};
const news = { commit: 8, commitTerm: 6 };

/** One of each kind. */
const MESSAGES: StreamedMessage[] = [
  { ...envelope, kind: "vote", pre: true, lastIndex: 9, lastTerm: 6, transfer: false, ...news },
  { ...envelope, kind: "vote-reply", pre: false, granted: true, ...news },
  {
    ...envelope,
    ...{ kind: "append", prevIndex: 9, prevTerm: 6, commit: 8 },
    entries: [
      { index: 10, term: 7, data: Buffer.from("command"), change: undefined },
      { index: 11, term: 7, data: Buffer.alloc(0), change },
    ],
  },
  { ...envelope, kind: "append-reply", index: 9, reject: true, hintIndex: 4, hintTerm: 3 },
  { ...envelope, kind: "heartbeat", commit: 8, readId: 2 ** 40 },
  { ...envelope, kind: "heartbeat-reply", readId: 3, commit: 4, commitTerm: 2 },
  { ...envelope, kind: "propose", data: [Buffer.from("a"), Buffer.from("b")], change: undefined },
  { ...envelope, kind: "propose", data: [], change },
  { ...envelope, kind: "read", readId: 5 },
  { ...envelope, kind: "read-reply", readId: 5, index: 9 },
  { ...envelope, kind: "transfer", transferee: 3n },
  { ...envelope, kind: "timeout-now" },
];

/** Frames of messages as another member sends them. */
export const peerMessage: Target = {
  name: "peer-message",
  async corpus() {
    const hello = { protocol: 1, clusterId: 1n, from: FROM, to: TO, peerUrls: ["http://a:1"] };
    const each = MESSAGES.map((message) => Frame.encode({ messages: [encodeMessage(message)] }));
    const all = Frame.encode({ hello, messages: MESSAGES.map(encodeMessage) });
    return [...each, all];
  },
  async read(bytes) {
    try {
      for (const wire of Frame.decode(bytes).messages) check(decodeMessage(wire, FROM, TO));
      return "taken";
    } catch (thrown) {
      if (thrown instanceof DecodeError || thrown instanceof PeerMessageError) return "refused";
      throw thrown;
    }
  },
};

/** A decoded message can be encoded, and decodes to the same message again. */
function check(message: StreamedMessage | undefined): void {
  if (!message) return;
  const sent = Frame.encode({ messages: [encodeMessage(message)] });
  const again = decodeMessage(Frame.decode(sent).messages[0]!, FROM, TO);
  const twice = again && Frame.encode({ messages: [encodeMessage(again)] });
  if (!twice?.equals(sent)) throw new Error(`${message.kind} is another message when sent on`);
  if (messageBytes(message) > 16 * sent.length + 1_024) throw new Error("counts too much");
}
